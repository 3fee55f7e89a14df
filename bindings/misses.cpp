#include "misses.hpp"

#include "python_end.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace greenlane::bindings {
namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

std::string_view name_of(Miss::Kind kind) {
  switch (kind) {
    case Miss::Kind::late:
      return "late";
    case Miss::Kind::skipped:
      return "skipped";
    case Miss::Kind::dropped:
      break;
  }
  return "dropped";
}

// Returns the engine's name, the kind, and the latency and the deadline in microseconds of each miss.
std::vector<std::tuple<std::string, std::string, double, double>> take(const MissesPtr& self) {
  const WayBack way_back;
  std::vector<std::tuple<std::string, std::string, double, double>> all;
  for (const auto& miss : self->mailbox.take()) {
    all.emplace_back(miss.engine, std::string(name_of(miss.kind)), Microseconds(miss.latency).count(),
                     Microseconds(miss.deadline).count());
  }
  return all;
}

}  // namespace

void register_misses(torch::Library& library) {
  library.class_<MissesObject>("Misses")
      .def(torch::init<>())
      .def("address",
           [](const MissesPtr& self) {
             const WayBack way_back;
             return address_of(*self);
           })
      .def("take", take)
      .def("close", [](const MissesPtr& self) { self->mailbox.close(); })
      .def("is_closed", [](const MissesPtr& self) {
        const WayBack way_back;
        return self->mailbox.is_closed();
      });
}

}  // namespace greenlane::bindings

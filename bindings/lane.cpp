#include "lane.hpp"

#include "pending.hpp"
#include "python_end.hpp"
#include "runtime/copy_lane.hpp"

#include <torch/library.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::bindings {

namespace {

// Returns a 64-bit number from Python as an int. A number that does not fit is refused, and never wrapped.
int checked_int(int64_t value, const char* what) {
  TORCH_CHECK_VALUE(std::in_range<int>(value), what, ": ", value, " is no number of 32 bits");
  return static_cast<int>(value);
}

// Divides a device into lanes; a size of None stands for `rest`.
std::vector<LanePtr> partition(const std::string& device, const std::vector<std::string>& names,
                               const c10::List<std::optional<int64_t>>& units) {
  TORCH_CHECK_VALUE(names.size() == units.size(), "partition: ", names.size(), " names and ", units.size(), " sizes");
  std::vector<PartitionRequest> requests;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::optional<int64_t> size = units.get(i);
    requests.push_back(
        {.name = names[i], .units = size ? UnitRequest(checked_int(*size, "partition")) : UnitRequest(rest)});
  }
  std::vector<LanePtr> lanes;
  for (const auto& lane : Device::open(device).partition(requests))
    lanes.push_back(c10::make_intrusive<LaneObject>(lane));
  return lanes;
}

LanePtr whole_device_lane(const std::string& device, const std::string& name, std::optional<int64_t> priority) {
  LaneOptions options{.name = name, .priority = {}};
  if (priority) options.priority = checked_int(*priority, "priority");
  return c10::make_intrusive<LaneObject>(Lane::create(Device::open(device), options));
}

LanePtr copy_lane(const std::string& device) {
  return c10::make_intrusive<LaneObject>(runtime::copy_lane(Device::open(device)));
}

// Returns an owner of the Python object that holds a stream. Its end, in any thread, calls `release(key)`; after the
// end of Python nobody needs the stream.
std::shared_ptr<const void> owner_in_python(int64_t key, int64_t release) {
  auto* const let_go = reinterpret_cast<void (*)(int64_t)>(release);  // NOLINT(performance-no-int-to-ptr)
  return {&python_ended, [let_go, key](const void*) {
            if (!python_ended) let_go(key);
          }};
}

// Makes a lane over a stream that the caller made. Without a key, the caller keeps the stream alive. `release` is the
// address of a C function.
LanePtr adopt_stream(const std::string& device, int64_t handle, std::optional<int64_t> key, int64_t release,
                     const std::string& name) {
  auto keep_alive = key ? owner_in_python(*key, release) : nullptr;
  return c10::make_intrusive<LaneObject>(
      Lane::adopt(Device::open(device), StreamView::from_value(handle), {.name = name}, std::move(keep_alive)));
}

std::vector<int64_t> cpus_of(const LanePtr& self) {
  const auto partition = self->lane.partition();
  if (!partition) return {};
  return {partition->cpus().begin(), partition->cpus().end()};
}

}  // namespace

void register_lane(torch::Library& library) {
  library.class_<LaneObject>("Lane")
      .def("name", [](const LanePtr& self) { return self->lane.name(); })
      .def("device", [](const LanePtr& self) { return to_string(self->lane.device().id()); })
      .def("units", [](const LanePtr& self) -> int64_t { return self->lane.units().count; })
      .def("cpus", cpus_of)
      .def("stream", [](const LanePtr& self) { return self->lane.stream().value(); })
      .def("keep_stream", [](const LanePtr& self) { self->lane.keep_stream(); })
      .def("submit", submit_nothing)
      .def("close", [](const LanePtr& self) { self->lane.close(); })
      .def("is_closed", [](const LanePtr& self) { return self->lane.is_closed(); });
  library.def("partition(str device, str[] names, int?[] units) -> __torch__.torch.classes.greenlane.Lane[]",
              partition);
  library.def("whole_device_lane(str device, str name, int? priority) -> __torch__.torch.classes.greenlane.Lane",
              whole_device_lane);
  library.def("copy_lane(str device) -> __torch__.torch.classes.greenlane.Lane", copy_lane);
  library.def(
      "adopt_stream(str device, int handle, int? key, int release, str name) -> __torch__.torch.classes.greenlane.Lane",
      adopt_stream);
}

}  // namespace greenlane::bindings

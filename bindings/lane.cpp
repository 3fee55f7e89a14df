#include "lane.hpp"

#include "pending.hpp"
#include "python_end.hpp"

#include <torch/library.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::bindings {

StreamOwnerObject::~StreamOwnerObject() {
  auto* const let_go = reinterpret_cast<void (*)(std::int64_t)>(release);  // NOLINT(performance-no-int-to-ptr)
  if (!python_ended) let_go(key);
}

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

// Makes a lane over a stream that the caller made. Without an owner, the caller keeps the stream alive.
LanePtr adopt_stream(const std::string& device, int64_t handle,
                     const std::optional<c10::intrusive_ptr<StreamOwnerObject>>& owner) {
  std::shared_ptr<const void> keep_alive;
  if (owner) keep_alive = std::make_shared<c10::intrusive_ptr<StreamOwnerObject>>(*owner);
  return c10::make_intrusive<LaneObject>(
      Lane::adopt(Device::open(device), StreamView::from_value(handle), {}, std::move(keep_alive)));
}

std::vector<int64_t> cpus_of(const LanePtr& self) {
  const auto partition = self->lane.partition();
  if (!partition) return {};
  return {partition->cpus().begin(), partition->cpus().end()};
}

}  // namespace

void register_lane(torch::Library& library) {
  library.class_<StreamOwnerObject>("StreamOwner").def(torch::init<int64_t, int64_t>());
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
  library.def(
      "adopt_stream(str device, int handle, __torch__.torch.classes.greenlane.StreamOwner? owner) -> "
      "__torch__.torch.classes.greenlane.Lane",
      adopt_stream);
}

}  // namespace greenlane::bindings

#include "device_info.hpp"

#include <torch/library.h>

#include <cstdint>
#include <string>
#include <vector>

namespace greenlane::bindings {
namespace {

using InfoPtr = c10::intrusive_ptr<DeviceInfoObject>;
using QueuesPtr = c10::intrusive_ptr<HardwareQueuesObject>;

std::vector<InfoPtr> devices() {
  std::vector<InfoPtr> all;
  for (auto& info : Device::enumerate()) all.push_back(c10::make_intrusive<DeviceInfoObject>(std::move(info)));
  return all;
}

QueuesPtr hardware_queues_of(const std::string& device) {
  return c10::make_intrusive<HardwareQueuesObject>(hardware_queues(DeviceId::parse(device)));
}

}  // namespace

void register_device_info(torch::Library& library) {
  library.class_<DeviceInfoObject>("DeviceInfo")
      .def("id", [](const InfoPtr& self) { return to_string(self->info.id); })
      .def("name", [](const InfoPtr& self) { return self->info.name; })
      .def("units", [](const InfoPtr& self) -> int64_t { return self->info.units.count; })
      .def("granularity", [](const InfoPtr& self) -> int64_t { return self->info.granularity.count; })
      .def("remainder", [](const InfoPtr& self) -> int64_t { return self->info.remainder.count; })
      .def("obstacle", [](const InfoPtr& self) { return self->info.partition_obstacle; });
  library.class_<HardwareQueuesObject>("HardwareQueues")
      .def("in_force", [](const QueuesPtr& self) -> int64_t { return self->queues.in_force; })
      .def("streams", [](const QueuesPtr& self) -> int64_t { return self->queues.streams; });
  library.def("devices() -> __torch__.torch.classes.greenlane.DeviceInfo[]", devices);
  library.def("hardware_queues(str device) -> __torch__.torch.classes.greenlane.HardwareQueues", hardware_queues_of);
}

}  // namespace greenlane::bindings

// torch.classes.greenlane.DeviceInfo and HardwareQueues: devices, and the queues that the streams of a GPU share.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/hardware_queues.hpp>

#include <torch/custom_class.h>

#include <utility>

namespace greenlane::bindings {

struct DeviceInfoObject final : torch::CustomClassHolder {
  explicit DeviceInfoObject(DeviceInfo device_info) : info(std::move(device_info)) {}
  DeviceInfo info;
};

struct HardwareQueuesObject final : torch::CustomClassHolder {
  explicit HardwareQueuesObject(HardwareQueues of_device) : queues(of_device) {}
  HardwareQueues queues;
};

void register_device_info(torch::Library& library);

}  // namespace greenlane::bindings

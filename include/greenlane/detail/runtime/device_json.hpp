// Devices as JSON, for programs. Needs no PyTorch.
#pragma once

#include <greenlane/core/device.hpp>

#include <string>

namespace greenlane::runtime {

/// Returns the device as JSON. It may be a device of another machine.
[[nodiscard]] std::string device_json(const DeviceInfo& device);

/// Returns a device of this machine as JSON, for `greenlane devices --json` and results. A GPU has `hardware_queues`.
[[nodiscard]] std::string local_device_json(const DeviceInfo& device);

}  // namespace greenlane::runtime

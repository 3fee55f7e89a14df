// The parts of a pipeline, one for each device that its lanes are on.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <string>
#include <vector>

namespace greenlane::runtime {

// The lanes of one device, and the engines on them.
struct DevicePart {
  Device device;
  PipelineConfig config;
};

// Returns the device of an engine's lane. `own`: the device of lanes that name none.
// Throws: DeviceError if the device is not here.
[[nodiscard]] Device device_of(const PipelineConfig& config, const std::string& lane, const Device& own);

// Returns the parts, in the order in which the lanes name their devices. Never empty.
// Throws: as device_of().
[[nodiscard]] std::vector<DevicePart> parts_of(const PipelineConfig& config, const Device& own);

}  // namespace greenlane::runtime

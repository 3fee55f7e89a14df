// Plans are for one device.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/runtime/config.hpp>

namespace greenlane::runtime {

// Throws ConfigError where the configuration's plan is for another device: of another kind, name or number of units.
// Warns where it was made with another version of PyTorch.
void require_planned_device(const PipelineConfig& config, const DeviceInfo& device);

}  // namespace greenlane::runtime

// Checks that a plan is used on the device that it was made for.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>

namespace greenlane::runtime {

// Checks the device of the configuration's plan. Warns where the plan was made with another version of PyTorch.
// Throws: ConfigError where the plan is for a device of another kind, name or number of units.
void require_planned_device(const PipelineConfig& config, const DeviceInfo& device);

}  // namespace greenlane::runtime

// Writes plans as JSON.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/planning.hpp>

#include <string>

namespace greenlane::runtime {

/// Returns the plan as a file's text (JSON), which apply_plan reads. docs/configuration.md describes it.
[[nodiscard]] std::string plan_json(const PlanResult& result, const DeviceInfo& device);

}  // namespace greenlane::runtime

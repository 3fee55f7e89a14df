// Writes plans as JSON.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/runtime/planning.hpp>

#include <string>

namespace greenlane::runtime {

// As a file (JSON), which apply_plan takes: docs/configuration.md describes it.
[[nodiscard]] std::string plan_json(const PlanResult& result, const DeviceInfo& device);

}  // namespace greenlane::runtime

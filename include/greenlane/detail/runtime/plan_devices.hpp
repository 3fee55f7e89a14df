// Plans of pipelines whose lanes are on several devices.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/planning.hpp>

#include <span>
#include <string>
#include <vector>

namespace greenlane::runtime {

/// The engines of a pipeline that run on one device, as a pipeline of their own. Engines run on recorded inputs, at
/// their rates, so data between engines and paths are left out.
struct DevicePlanPart {
  std::string device;                ///< as lanes name it; empty: the pipeline's own
  PipelineConfig config;             ///< one lane for each engine, without units
  std::vector<std::size_t> engines;  ///< their places in the whole pipeline
};

/// Returns the part of each device that lanes name, in the order of first use. Empty: no lane names a device.
/// Throws: ConfigError if new data makes an engine run and nobody knows how often.
[[nodiscard]] std::vector<DevicePlanPart> device_plan_parts(const PipelineConfig& config);

/// Throws: ConfigError if the device cannot be divided, because its engines can share it in no other way then.
void require_divisible(const PipelineConfig& part, const DeviceInfo& device);

/// Returns one result from those of the parts: a plan in mode lanes for the whole pipeline. Devices share no units, so
/// each choice stays as it is. Requires that all chosen candidates are in mode lanes.
[[nodiscard]] PlanResult merged_plan(const PipelineConfig& whole, std::span<const DevicePlanPart> parts,
                                     std::span<const PlanResult> results);

}  // namespace greenlane::runtime

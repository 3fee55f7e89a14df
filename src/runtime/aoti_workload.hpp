// Makes workloads from AOTInductor packages.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <memory>

namespace greenlane::runtime {

// Loads an AOTInductor package with its inputs and, where there are any, its expected outputs.
// Throws: ConfigError, which names the configuration's file and the engine.
[[nodiscard]] std::shared_ptr<Workload> make_aoti_workload(const PipelineConfig& config, const EngineConfig& engine,
                                                           const Device& device);

}  // namespace greenlane::runtime

// Results as JSON, for programs.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <span>
#include <string>

namespace greenlane::runtime {

/// Returns the versions of greenlane, PyTorch, CUDA and the device's driver as JSON.
[[nodiscard]] std::string versions_json(const DeviceInfo& device);

/// Returns the results of one engine as JSON, as results_json() contains them.
[[nodiscard]] std::string engine_json(const EngineResult& engine);

/// Returns the output of `greenlane run --json`: versions, device, configuration and every mode, durations in
/// microseconds. docs/configuration.md describes the fields.
[[nodiscard]] std::string results_json(const LoadedPipeline& pipeline, std::span<const ModeResult> results);

/// Returns the output of `greenlane audit --json`: the same head and the audit's findings. docs/audit.md describes it.
[[nodiscard]] std::string audit_results_json(const LoadedPipeline& pipeline, const audit::AuditReport& report);

}  // namespace greenlane::runtime

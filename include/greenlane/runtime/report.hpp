// Results as JSON, for programs.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <span>
#include <string>

namespace greenlane::runtime {

// The device as JSON, which may be another machine's.
[[nodiscard]] std::string device_json(const DeviceInfo& device);

// A device of this machine as JSON, as `greenlane devices --json` and results have it: with `hardware_queues`, if it is
// a GPU.
[[nodiscard]] std::string local_device_json(const DeviceInfo& device);

// Of greenlane, PyTorch, CUDA and the device's driver, as JSON.
[[nodiscard]] std::string versions_json(const DeviceInfo& device);

// What was measured of one engine, as the next function has it.
[[nodiscard]] std::string engine_json(const EngineResult& engine);

// What `greenlane run --json` writes: versions, device, configuration and every mode; durations in microseconds.
// docs/configuration.md describes the fields.
[[nodiscard]] std::string results_json(const Pipeline& pipeline, std::span<const ModeResult> results);

// What `greenlane audit --json` writes: the same head, and what was found; docs/audit.md describes it.
[[nodiscard]] std::string audit_results_json(const Pipeline& pipeline, const audit::AuditReport& report);

}  // namespace greenlane::runtime

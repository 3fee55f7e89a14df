// Results as files: JSON for programs, a trace for people.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <filesystem>
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

// Chrome's trace format, which ui.perfetto.dev opens: a process a mode, a track a lane, a slice a request; of an
// audit below each lane what the GPU did there.
[[nodiscard]] std::string trace_json(std::span<const ModeResult> results);

// Writes the text to a file. A regular file, new or there already, is written beside under a name of its own and then
// renamed: the whole text or nothing. Where a symbolic link leads to a file, that file is replaced. Devices, pipes and
// open descriptors ("/dev/stdout") are written in place.
// Throws: ConfigError where the file cannot be written; what was there before then stays.
void write_file(const std::filesystem::path& path, const std::string& text);
// Says now what write_file would say later, so that a long run is not lost. Makes, changes and removes no file.
// Throws: ConfigError.
void check_writable(const std::filesystem::path& path);

}  // namespace greenlane::runtime

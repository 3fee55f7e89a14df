// Results as files: JSON for programs, a trace for people.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

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

// Takes text piece by piece.
using TextSink = std::function<void(std::string_view piece)>;

// Gives the text of trace_json() to a sink, an event at a time. A long trace is never in memory as a whole.
void write_trace(std::span<const ModeResult> results, const TextSink& sink);

// Writes the text to a file. A regular file, new or there already, is written beside under a name of its own and then
// renamed: the whole text or nothing. Where a symbolic link leads to a file, that file is replaced. Devices, pipes and
// open descriptors ("/dev/stdout") are written in place.
// Throws: ConfigError where the file cannot be written; what was there before then stays.
void write_file(const std::filesystem::path& path, const std::string& text);

// Writes to a file all that `give` hands to its sink, in the same way. Keeps no more than a buffer of it in memory.
// Throws: as above, and what `give` throws; then a regular file stays as it was.
void write_file(const std::filesystem::path& path, const std::function<void(const TextSink& sink)>& give);

// Says now what write_file would say later, so that a long run is not lost. Makes, changes and removes no file.
// Throws: ConfigError.
void check_writable(const std::filesystem::path& path);

}  // namespace greenlane::runtime

// The subcommands of `greenlane`.
#pragma once

#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/profile.hpp>

#include <CLI/CLI.hpp>

#include <atomic>
#include <filesystem>

namespace greenlane::cli {

// Exit statuses: what scripts can rely on. A command that was stopped ends by the signal: see end_if_stopped().
enum ExitStatus : int {
  kSuccess = 0,
  kFailed = 1,    // an engine failed, its outputs were wrong, its work left its lane, or nothing could be printed
  kBadInput = 2,  // command line, configuration, files, a device that is not there
};

// Adds the subcommand; its work is done in a callback, whose exit status goes to `status`.
void add_audit_command(CLI::App& app, int& status);
void add_devices_command(CLI::App& app, int& status);
void add_plan_command(CLI::App& app, int& status);
void add_profile_command(CLI::App& app, int& status);
void add_run_command(CLI::App& app, int& status);

// Asks CUDA for as many hardware queues as the pipeline has streams. Before anything that looks for a GPU.
void request_queues(const runtime::PipelineConfig& config);
// What several of them do first: request_queues(), load, with progress, and say on which device.
[[nodiscard]] runtime::Pipeline load_pipeline(runtime::PipelineConfig config);
// With progress; at most so many seconds for each engine and size.
[[nodiscard]] runtime::Profile measure_profile(runtime::Pipeline& pipeline, double seconds,
                                               const std::atomic<bool>& stop);

}  // namespace greenlane::cli

// The first steps of several commands: load a pipeline, and profile it.
#pragma once

#include "cli/commands/progress.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/profile.hpp>

#include <atomic>

namespace greenlane::cli {

// Asks CUDA for one hardware queue for each stream of the pipeline. Called before anything looks for a GPU.
void request_queues(const runtime::PipelineConfig& config);
// Calls request_queues(), loads the pipeline, shows progress, and prints the device.
[[nodiscard]] runtime::LoadedPipeline load_pipeline(runtime::PipelineConfig config);
// Returns options that stop a profile at `stop`, and that show its progress.
// Lifetime: they refer to both arguments.
[[nodiscard]] runtime::ProfileOptions profile_options(const Progress& progress, const std::atomic<bool>& stop);
// Profiles the pipeline and shows progress. Takes at most `seconds` for each engine and size.
[[nodiscard]] runtime::Profile measure_profile(runtime::LoadedPipeline& pipeline, double seconds,
                                               const std::atomic<bool>& stop);

}  // namespace greenlane::cli

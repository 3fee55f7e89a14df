// What several commands do first: load a pipeline, and profile it.
#pragma once

#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/profile.hpp>

#include <atomic>

namespace greenlane::cli {

// Asks CUDA for as many hardware queues as the pipeline has streams. Before anything that looks for a GPU.
void request_queues(const runtime::PipelineConfig& config);
// Calls request_queues(), loads the pipeline, shows progress, and prints the device.
[[nodiscard]] runtime::Pipeline load_pipeline(runtime::PipelineConfig config);
// With progress; at most so many seconds for each engine and size.
[[nodiscard]] runtime::Profile measure_profile(runtime::Pipeline& pipeline, double seconds,
                                               const std::atomic<bool>& stop);

}  // namespace greenlane::cli

// Lanes for a configuration that sets no units, planned from a quick profile.
#pragma once

#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/profile.hpp>

#include <string>

namespace greenlane::runtime {

// Returns true if there are several engines, each has a lane of its own, and the file sets no units.
[[nodiscard]] bool leaves_all_open(const PipelineConfig& config);

struct PlannedLanes {
  PipelineConfig config;  // with the plan's lanes, or as the pipeline has it
  std::string obstacle;   // why there is no plan, so that the units are divided evenly; empty if there is one
};

// Profiles each engine and size for at most a fifth of a second, and plans by prediction only. No error of greenlane's
// leaves it: the error is the obstacle.
[[nodiscard]] PlannedLanes plan_lanes(LoadedPipeline& pipeline, ProfileOptions options);

}  // namespace greenlane::runtime

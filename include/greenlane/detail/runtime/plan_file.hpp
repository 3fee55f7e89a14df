// Plan files: which engine runs on which lane.
#pragma once

#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/mode.hpp>

#include <filesystem>

namespace greenlane::runtime {

/// Replaces the configuration's lanes, units and the engines' lanes by those of a plan (JSON, see
/// docs/configuration.md), and notes the plan's device. Returns the mode of the plan.
/// Throws: ConfigError if the plan is for other engines or has an unknown mode.
Mode apply_plan(PipelineConfig& config, const std::filesystem::path& plan);

}  // namespace greenlane::runtime

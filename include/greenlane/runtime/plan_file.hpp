// Plan files: which engine runs on which lane.
#pragma once

#include <greenlane/runtime/config.hpp>
#include <greenlane/runtime/mode.hpp>

#include <filesystem>

namespace greenlane::runtime {

// Takes lanes, units and who runs where from a plan (JSON, see docs/configuration.md) instead of from the
// configuration, and notes the device that it is for. Returns the mode that the plan is for. Throws ConfigError where
// the plan is for other engines, or has a mode that is none.
Mode apply_plan(PipelineConfig& config, const std::filesystem::path& plan);

}  // namespace greenlane::runtime

// The figures of a pipeline as JSON.
#pragma once

#include <greenlane/runtime/stats.hpp>

#include <string>

namespace greenlane::bindings {

// Units: microseconds, and milliseconds for deadlines.
[[nodiscard]] std::string as_json(const PipelineStats& stats);

}  // namespace greenlane::bindings

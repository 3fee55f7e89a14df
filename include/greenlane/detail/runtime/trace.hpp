// Results as a timeline.
#pragma once

#include <greenlane/detail/runtime/output_file.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <span>
#include <string>

namespace greenlane::runtime {

/// Returns the results in Chrome's trace format, which ui.perfetto.dev opens: a process for each mode, a track for each
/// lane, a slice for each request. Results of an audit have the lane's GPU work below each lane.
[[nodiscard]] std::string trace_json(std::span<const ModeResult> results);

/// Writes the text of trace_json() to a sink, one event at a time. A long trace is never in memory as a whole.
void write_trace(std::span<const ModeResult> results, const TextSink& sink);

}  // namespace greenlane::runtime

// Results as a timeline.
#pragma once

#include <greenlane/runtime/output_file.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <span>
#include <string>

namespace greenlane::runtime {

// Chrome's trace format, which ui.perfetto.dev opens: a process a mode, a track a lane, a slice a request; of an
// audit below each lane what the GPU did there.
[[nodiscard]] std::string trace_json(std::span<const ModeResult> results);

// Gives the text of trace_json() to a sink, an event at a time. A long trace is never in memory as a whole.
void write_trace(std::span<const ModeResult> results, const TextSink& sink);

}  // namespace greenlane::runtime

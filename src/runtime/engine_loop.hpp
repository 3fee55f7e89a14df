// Serves one engine on its own thread, at its rate or back to back, and records the results.
#pragma once

#include <greenlane/detail/runtime/pipeline.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace greenlane::runtime {

using Clock = std::chrono::steady_clock;

// The most spans of each kind that a trace keeps for an engine. The trace of a long run of a fast engine would not fit
// in memory, and trace viewers do not cope with more either.
inline constexpr std::size_t kMostSpans = 200'000;

// The times of a run, the same for all engines.
struct Timetable {
  Clock::time_point begin;    // first arrival
  Clock::time_point measure;  // requests that arrive from here on count
  Clock::time_point end;
  // The time before an arrival at which the thread stops sleeping and spins, because waking up late would count as
  // latency. Zero on a CPU, where the engines share the cores.
  Nanoseconds spin{0};
  // The time before a known arrival at which an engine with a deadline closes the gate. If the arrival is not known
  // in advance, the gate closes at the arrival itself, even while another request is served.
  Nanoseconds early{0};
};

// Runs the workload by the timetable until its end or until `stop`. An exception ends the run and is reported in the
// result.
void run_engine(Workload& workload, const EngineConfig& engine, const Timetable& timetable,
                const std::atomic<bool>& stop, bool trace, EngineResult& result);

}  // namespace greenlane::runtime

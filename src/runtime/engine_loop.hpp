// One engine's thread: keeps its rate, or runs back to back, and records what it sees.
#pragma once

#include <greenlane/runtime/pipeline.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace greenlane::runtime {

using Clock = std::chrono::steady_clock;

// Of one kind, of an engine. The trace of a long run of a fast engine would not fit in memory; viewers do not like more
// than this either.
inline constexpr std::size_t kMostSpans = 200'000;

// When things happen in a run; the same for all engines.
struct Timetable {
  Clock::time_point begin;    // first arrival
  Clock::time_point measure;  // what arrives from here on counts
  Clock::time_point end;
  // How long before an arrival the thread stops sleeping and spins: waking up late would count as latency. Zero where
  // cores are what is shared.
  Nanoseconds spin{0};
  // How long before a known arrival an engine with a deadline closes the gate; at one that is not known it does so when
  // that comes, be another request served or not.
  Nanoseconds early{0};
};

// Runs the workload by the timetable until its end or until `stop`. An exception ends it and is reported in the result.
void run_engine(Workload& workload, const EngineConfig& engine, const Timetable& timetable,
                const std::atomic<bool>& stop, bool trace, EngineResult& result);

}  // namespace greenlane::runtime

// Counts the runs of one engine.
#pragma once

#include "runtime/serving/request.hpp"

#include <greenlane/detail/runtime/latency_histogram.hpp>
#include <greenlane/runtime/stats.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace greenlane::runtime {

// Returns the figures of a histogram. `max`: the longest latency in it.
[[nodiscard]] LatencyFigures figures_of(const LatencyHistogram& histogram, std::chrono::nanoseconds max);

// The latencies of the last ten seconds, in steps of one second.
// Thread safety: none.
class SlidingHistogram {
 public:
  static constexpr std::chrono::seconds kStep{1};
  static constexpr std::size_t kSteps = 10;

  explicit SlidingHistogram(Clock::time_point begin) : begin_(begin) {}
  void record(std::chrono::nanoseconds latency, Clock::time_point now);
  // Drops the steps that are over.
  void advance(Clock::time_point now);
  [[nodiscard]] const LatencyHistogram& whole() const noexcept { return whole_; }
  // Returns the longest latency.
  [[nodiscard]] std::chrono::nanoseconds max() const;
  // Returns the time that the window covers: less than ten seconds at first.
  [[nodiscard]] std::chrono::nanoseconds covered(Clock::time_point now) const;

 private:
  [[nodiscard]] std::uint64_t step_of(Clock::time_point time) const {
    return time <= begin_ ? 0 : static_cast<std::uint64_t>((time - begin_) / kStep);
  }
  Clock::time_point begin_;
  std::uint64_t step_ = 0;  // the latest
  LatencyHistogram whole_;  // the sum of all steps
  std::array<LatencyHistogram, kSteps> steps_;
};

// Thread safety: all members may be called from any thread. Each holds the lock for some microseconds at most.
class Figures {
 public:
  explicit Figures(Clock::time_point begin) : window_(begin) {}

  // Forgets all runs so far.
  void begin(Clock::time_point now);
  // Counts a run that ended at `now`. `waited`: from its arrival to its start.
  void served(std::chrono::nanoseconds waited, std::chrono::nanoseconds latency, Clock::time_point now, bool is_missed);
  // A call that returned before its work was done on the device.
  void called() noexcept { calls_.fetch_add(1, std::memory_order_relaxed); }
  void failed() { add(&RunFigures::failed); }
  // Ticks of a timer that passed while the engine was busy.
  void skipped(std::uint64_t ticks);
  void dropped();
  // Counts a run of several requests: their rows, and the rows that filled it.
  void batch(std::uint64_t rows, std::uint64_t padding);
  void rejected() { add(&RunFigures::rejected); }
  void cancelled() { add(&RunFigures::cancelled); }
  // Runs from edges: skipped because an edge had no value, skipped because the inputs were too old, and the age of the
  // inputs of a run.
  void not_ready() { add(&RunFigures::not_ready); }
  void stale() { add(&RunFigures::stale); }
  void age(std::chrono::nanoseconds age);
  [[nodiscard]] RunFigures now(Clock::time_point now);

 private:
  void add(std::uint64_t RunFigures::* counter);
  std::atomic<std::uint64_t> calls_{0};
  std::mutex mutex_;  // guards the following members
  RunFigures counts_;
  LatencyHistogram whole_;
  LatencyHistogram waits_;
  LatencyHistogram ages_;
  SlidingHistogram window_;
};

}  // namespace greenlane::runtime

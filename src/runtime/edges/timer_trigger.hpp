// Runs an engine at its rate.
#pragma once

#include "runtime/edges/edge_runs.hpp"
#include "runtime/serving/ticks.hpp"
#include "runtime/serving/trigger.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace greenlane::runtime {

// A late timer runs once; further ticks that have passed are skipped and count as misses. A tick that finds a queue of
// a consumer full waits for room.
class TimerTrigger final : public Trigger {
 public:
  TimerTrigger(std::shared_ptr<EdgeRuns> runs, std::chrono::nanoseconds period)
      : runs_(std::move(runs)), ticks_(Clock::now() + period, period) {}
  [[nodiscard]] std::optional<Clock::time_point> next() override {
    if (!runs_->engine().is_serving()) return std::nullopt;
    return runs_->has_room() ? ticks_.next() : kNotYet;
  }
  void run(Clock::time_point start) override {
    const auto tick = ticks_.next();
    if (const auto skipped = ticks_.take(start); skipped > 0) runs_->engine().count_skipped(skipped, start - tick);
    (void)runs_->run(tick, start);
  }

 private:
  std::shared_ptr<EdgeRuns> runs_;
  Ticks ticks_;
};

}  // namespace greenlane::runtime

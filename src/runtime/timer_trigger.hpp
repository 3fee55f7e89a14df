// Runs an engine at its rate, without inputs.
#pragma once

#include "runtime/serving/served_engine.hpp"
#include "runtime/serving/ticks.hpp"
#include "runtime/serving/trigger.hpp"

namespace greenlane::runtime {

// A late timer runs once; further ticks that have passed are skipped and count as misses.
// Lifetime: refers to the engine.
class TimerTrigger final : public Trigger {
 public:
  TimerTrigger(ServedEngine& engine, std::chrono::nanoseconds period)
      : engine_(engine), ticks_(Clock::now() + period, period) {}
  [[nodiscard]] std::optional<Clock::time_point> next() override {
    return engine_.is_serving() ? std::optional(ticks_.next()) : std::nullopt;
  }
  void run(Clock::time_point start) override {
    const auto tick = ticks_.next();
    if (const auto skipped = ticks_.take(start); skipped > 0) engine_.count_skipped(skipped, start - tick);
    (void)engine_.run_triggered(tick, [this] { engine_.workload().run(); });
  }

 private:
  ServedEngine& engine_;
  Ticks ticks_;
};

}  // namespace greenlane::runtime

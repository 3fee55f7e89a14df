// The ticks of a timer.
#pragma once

#include "runtime/serving/request.hpp"

#include <chrono>
#include <cstdint>

namespace greenlane::runtime {

// A tick that is served late stands for all ticks that have passed by then, which are skipped.
// Thread safety: none.
class Ticks {
 public:
  Ticks(Clock::time_point first, std::chrono::nanoseconds period) : next_(first), period_(period) {}
  [[nodiscard]] Clock::time_point next() const noexcept { return next_; }
  // Takes the next tick, and skips those that have passed at `now`. Returns the number of the skipped ones that came
  // before `end`.
  std::uint64_t take(Clock::time_point now, Clock::time_point end = Clock::time_point::max()) {
    next_ += period_;
    const auto until = now < end ? now + std::chrono::nanoseconds(1) : end;
    if (next_ >= until) return 0;
    const auto skipped = (until - next_ + period_ - std::chrono::nanoseconds(1)) / period_;
    next_ += skipped * period_;
    return static_cast<std::uint64_t>(skipped);
  }

 private:
  Clock::time_point next_;
  std::chrono::nanoseconds period_;
};

}  // namespace greenlane::runtime

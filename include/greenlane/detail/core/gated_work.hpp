// Best-effort work that asks a gate before each of its slices, as urgent engines see it.
#pragma once

#include <greenlane/core/units.hpp>

#include <atomic>
#include <chrono>

namespace greenlane {

// Returns true if an urgent call is short beside best-effort work with these slices in flight: the gate is not closed
// ahead of it, because that costs best effort the slices in flight, about as much as the call itself or more. Where
// these take more than a quarter of the deadline, no call is short. All times in one unit.
template <typename Time>
[[nodiscard]] bool is_short_call(Time call, Time in_flight, Time deadline) {
  return call < 2 * in_flight && 4 * in_flight <= deadline;
}

// Thread safety: all members may be called from any thread.
class GatedWork {
 public:
  using Clock = std::chrono::steady_clock;

  explicit GatedWork(UnitSetId units) noexcept : units_(units) {}

  [[nodiscard]] UnitSetId units() const noexcept { return units_; }
  // The time that slices in flight take when a gate closes; 0: not known.
  [[nodiscard]] std::chrono::nanoseconds in_flight() const noexcept {
    return in_flight_.load(std::memory_order_relaxed);
  }
  void set_in_flight(std::chrono::nanoseconds time) noexcept { in_flight_.store(time, std::memory_order_relaxed); }
  // The time of its last launch; the clock's beginning: never.
  [[nodiscard]] Clock::time_point last_launch() const noexcept { return last_launch_.load(std::memory_order_relaxed); }
  void note_launch(Clock::time_point at) noexcept { last_launch_.store(at, std::memory_order_relaxed); }

 private:
  UnitSetId units_;
  std::atomic<std::chrono::nanoseconds> in_flight_{std::chrono::nanoseconds(0)};
  std::atomic<Clock::time_point> last_launch_{Clock::time_point{}};
};

}  // namespace greenlane

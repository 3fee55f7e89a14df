// Best-effort work that asks a gate before each of its slices, as urgent engines see it.
#pragma once

#include <greenlane/core/units.hpp>

#include <atomic>
#include <chrono>

namespace greenlane {

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

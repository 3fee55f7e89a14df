// The times of an urgent engine's calls on the device, and the ways to pass that follow from them.
#pragma once

#include "core/device_state.hpp"
#include "core/gates/pass_choice.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/detail/core/gate.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace greenlane {

// One timed call.
class UrgentTiming {
 public:
  UrgentTiming(std::unique_ptr<detail::EventBackend> begin, std::unique_ptr<detail::EventBackend> end)
      : begin_(std::move(begin)), end_(std::move(end)) {}
  // Records the end of the call's work.
  // Throws: DriverError.
  void end(StreamView stream) {
    end_->record(stream);
    is_ended_.store(true, std::memory_order_release);
  }

 private:
  friend class UrgentTimings;
  std::unique_ptr<detail::EventBackend> begin_;
  std::unique_ptr<detail::EventBackend> end_;
  std::atomic<bool> is_ended_{false};
  Gate::Clock::time_point entered_{};
  Gate::Beside beside_;
};

// Thread safety: all members may be called from any thread.
class UrgentTimings {
 public:
  using Works = std::vector<std::shared_ptr<GatedWork>>;

  UrgentTimings(Device device, std::chrono::nanoseconds deadline)
      : device_(std::move(device)),
        deadline_(deadline),
        random_(static_cast<std::minstd_rand::result_type>(deadline.count())) {}  // any sequence will do

  // Returns the work that the next call passes beside, of all work that shares units with it. A change of units begins
  // all measurements anew.
  [[nodiscard]] Gate::Beside beside(UnitSetId units, const Works& works);
  // Returns the work for which the gate is not closed ahead of a call.
  [[nodiscard]] Gate::Beside short_for(UnitSetId units, const Works& works) const;
  // Begins to time a call, if there is something to learn from it. Null: there is not.
  // Throws: DriverError.
  [[nodiscard]] std::shared_ptr<UrgentTiming> begin(const Works& works, const Gate::Beside& beside, StreamView stream);

 private:
  struct Pair {
    std::weak_ptr<GatedWork> work;
    detail::PassChoice choice;
  };
  // Requires the lock.
  [[nodiscard]] bool is_short_for(const GatedWork& work) const;
  [[nodiscard]] detail::PassChoice& choice_of(const std::shared_ptr<GatedWork>& work);
  void read_ended(const Works& works);
  void learn(const UrgentTiming& timing, std::chrono::nanoseconds time, const Works& works);

  Device device_;
  std::chrono::nanoseconds deadline_;
  mutable std::mutex mutex_;  // guards the following members
  UnitSetId units_{};
  std::vector<std::chrono::nanoseconds> first_;  // the times of the first calls on these units
  std::chrono::nanoseconds usual_{0};            // their median; 0: not enough calls yet
  std::minstd_rand random_;
  std::vector<Pair> pairs_;
  std::vector<std::shared_ptr<UrgentTiming>> under_way_;
  std::vector<std::shared_ptr<UrgentTiming>> free_;
};

}  // namespace greenlane

// Urgent engines: their calls close the device's gate.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/gate.hpp>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace greenlane {

class UrgentTiming;
class UrgentTimings;

namespace detail {
class EventBackend;
}

// An urgent engine. Each of its calls closes the GPU's gate, from before the call is enqueued until its work is done on
// the device. To close it ahead of a call costs best-effort work the slices in flight, which is more than a short call
// itself. So it is closed ahead of long calls only. A short call also tries to pass without holding the work, and keeps
// the better way for each pair; see PassChoice.
// Thread safety: all members may be called from any thread. Calls of one engine are enqueued one after another, which
// its binding ensures.
class UrgentEngine {
 public:
  // The longest time for which one call holds best-effort work, in deadlines. A longer call is taken for a faulty one.
  static constexpr int kMostDeadlines = 5;

  UrgentEngine(const Device& device, std::chrono::nanoseconds deadline);
  ~UrgentEngine();

  // One urgent call. Its destructor opens the gate if enqueued() was not reached.
  class Call {
   public:
    // Reports that all of the call's work is on `stream`.
    // Throws: DriverError, and opens the gate then.
    void enqueued(StreamView stream);

   private:
    friend class UrgentEngine;
    Call(UrgentEngine& engine, Gate::Pass pass) : engine_(engine), pass_(std::move(pass)) {}
    UrgentEngine& engine_;
    std::optional<Gate::Pass> pass_;
    std::shared_ptr<UrgentTiming> timing_;  // null: not timed
  };
  // Begins a call on these units. `stream`: the one that the work will be on; absent: the call is not timed.
  // Throws: DriverError.
  [[nodiscard]] Call enter(UnitSetId units, std::optional<StreamView> stream = {});

  // Closes the gate, from `from` on, for an expected call. Call it early enough that slices in flight are over when the
  // call comes, or when a request arrives while another is served, so that it waits for no further slices. enter()
  // takes over the oldest expected call whose time has come. An expected call that nobody takes over lasts for the
  // limit.
  void expect(UnitSetId units, Gate::Clock::time_point from = Gate::Clock::now());

 private:
  std::shared_ptr<Gate> gate_;
  std::chrono::nanoseconds limit_;
  std::unique_ptr<UrgentTimings> timings_;
  void take_over_expected();
  // Returns an event that no call uses, or a new one.
  std::shared_ptr<detail::EventBackend> take_event();

  Device device_;
  std::mutex mutex_;  // guards the following members
  // Events recorded behind calls. The gate holds those of unfinished calls.
  std::vector<std::shared_ptr<detail::EventBackend>> events_;
  struct Expected {
    Gate::Clock::time_point from;
    Gate::Pass pass;
  };
  std::list<Expected> expected_;
};

}  // namespace greenlane

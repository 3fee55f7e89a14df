// Urgent engines: their calls close the gate.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/core/lane.hpp>

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace greenlane {

namespace detail {
class EventBackend;
}

// Closes the gate of a GPU for each of its calls, from before the call is enqueued until its work is done there.
// Thread safety: all members; calls of one engine are enqueued one after another, as its binding sees to.
class UrgentEngine {
 public:
  // After `limit` a call holds nobody any more.
  UrgentEngine(const Device& device, std::chrono::nanoseconds limit);
  ~UrgentEngine();

  // Opens the gate when it goes, if enqueued() was not reached.
  class Call {
   public:
    // All of the call's work is on the stream. Throws DriverError, and opens the gate.
    void enqueued(StreamView stream);

   private:
    friend class UrgentEngine;
    Call(UrgentEngine& engine, Gate::Pass pass) : engine_(engine), pass_(std::move(pass)) {}
    UrgentEngine& engine_;
    std::optional<Gate::Pass> pass_;
  };
  // A call at this place: see Lane::place.
  [[nodiscard]] Call enter(std::uint64_t place);

  // Closes the gate, from a time on, for a call that is to come: so long before it that slices in flight are over, or
  // when its request arrives while another is served, so that it waits for no more slices. Each is taken over by one
  // enter() from then on, the oldest first; one that nobody takes over lasts for the limit.
  void expect(std::uint64_t place, Gate::Clock::time_point from = Gate::Clock::now());

 private:
  std::shared_ptr<Gate> gate_;
  std::chrono::nanoseconds limit_;
  // One that no call has, or a new one.
  std::shared_ptr<detail::EventBackend> take_event();

  Device device_;
  std::mutex mutex_;  // of what follows
  // Recorded behind calls; the gate holds those of calls that are not done.
  std::vector<std::shared_ptr<detail::EventBackend>> events_;
  struct Expected {
    Gate::Clock::time_point from;
    Gate::Pass pass;
  };
  std::list<Expected> expected_;
};

}  // namespace greenlane

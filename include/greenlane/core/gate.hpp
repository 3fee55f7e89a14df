// Gates: best-effort work lets urgent work pass between two of its slices.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/span_log.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace greenlane {

// How a best-effort engine's thread waits at a closed gate.
enum class GateWait {
  spin,   // a core is busy, and goes on within a microsecond or two
  block,  // the thread sleeps in steps of some 20 us, to which Linux adds 50 unless the thread's timer slack is less
};

// Whether what runs at one place (of Lane::place) may be in the way of what runs at the other: places are the same, or
// one of them is the whole device (0).
[[nodiscard]] inline bool share_units(std::uint64_t one, std::uint64_t other) {
  return one == other || one == 0 || other == 0;
}

struct GateReport {
  std::uint64_t passes = 0;  // urgent calls that closed it
  std::uint64_t held = 0;    // times that best-effort work waited
  std::chrono::nanoseconds held_time{0};
  std::chrono::nanoseconds longest_held{0};
  std::uint64_t limits_hit = 0;  // urgent calls that were let go of because they did not end
};

// The gate of a device. An urgent call closes it before it enqueues, and it opens when the call's work is done on the
// device; best-effort engines ask before each slice. Only those are held that share units with the call.
//
// Worst wait of an urgent call: of each best-effort engine, the slices that were launched before it closed the gate,
// and one that its thread had asked for and not launched yet. Nobody waits on the device.
// Memory order: closing is a sequentially consistent increment before the urgent work is enqueued, and best effort
// reads the count before it launches. Either it sees the call and waits, or it had asked before: then its one launch is
// among those in flight. Everything else is under a mutex that is held for a few instructions: of all that wait one
// asks the device, and without it. Thread safety: all members.
class Gate {
 public:
  using Clock = std::chrono::steady_clock;

  // The device's, made at the first use.
  [[nodiscard]] static std::shared_ptr<Gate> of(const Device& device);
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // An urgent call, from before it enqueues. Opens the gate when it goes, also after an exception.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::move(other.gate_)), number_(other.number_) { other.gate_.reset(); }
    Pass& operator=(Pass&&) = delete;
    ~Pass();
    // All is enqueued: from now on the gate is closed until `is_done` says that the work is done. One thread at a time
    // asks it, maybe once more after the gate let go of the call. It must not throw.
    void enqueued(std::function<bool()> is_done);

   private:
    friend class Gate;
    Pass(std::shared_ptr<Gate> gate, std::uint64_t number) : gate_(std::move(gate)), number_(number) {}
    std::shared_ptr<Gate> gate_;
    std::uint64_t number_;
  };
  // After `limit` best effort goes on whatever became of the call, and the report counts it.
  [[nodiscard]] static Pass close(const std::shared_ptr<Gate>& gate, std::uint64_t place,
                                  std::chrono::nanoseconds limit);
  // Closes it, from a time on, for a call that is to come: no pass by itself, nor a limit that was hit, which counts
  // from then on.
  [[nodiscard]] static Pass expect(const std::shared_ptr<Gate>& gate, std::uint64_t place,
                                   std::chrono::nanoseconds limit, Clock::time_point from = Clock::now());

  // Whether best-effort work at this place may go on.
  [[nodiscard]] bool is_open(std::uint64_t place);
  // Waits until it may. Returns for how long.
  std::chrono::nanoseconds wait(std::uint64_t place, GateWait how);
  [[nodiscard]] GateReport report() const;
  // Counts anew from here.
  void reset_report();
  // Where it is written down from when to when urgent calls held best effort; null: nowhere. An end is seen when
  // best-effort work asks.
  void set_log(std::shared_ptr<SpanLog> log);

 private:
  using IsDone = std::shared_ptr<const std::function<bool()>>;
  struct Call {
    std::uint64_t number;
    std::uint64_t place;
    Clock::time_point begin;  // an expected one's may be yet to come: until then it holds nobody
    Clock::time_point limit;
    bool is_expected;
    IsDone is_done;  // null: still being enqueued
  };
  struct Asked {
    std::uint64_t number;
    IsDone is_done;
  };
  static Pass add(const std::shared_ptr<Gate>& gate, std::uint64_t place, std::chrono::nanoseconds limit,
                  bool is_expected, Clock::time_point begin);
  // Forgets calls that are done, or past their limit. Under `asking_`, without `mutex_`.
  void settle();
  // Whether a call holds this place.
  [[nodiscard]] bool holds(std::uint64_t place) const;
  void open(std::uint64_t number);
  // Under `mutex_`: a call has gone.
  void left(const Call& call, Clock::time_point now);

  std::atomic<int> calls_under_way_{0};    // = calls_.size(): what is asked before every slice
  std::atomic<std::uint64_t> changes_{0};  // of calls_: what those that wait look at
  std::mutex asking_;                      // taken before the next
  std::vector<Asked> asked_;               // under the one before
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  std::vector<Call> calls_;
  std::uint64_t next_ = 1;
  GateReport report_;
  std::shared_ptr<SpanLog> log_;
};

}  // namespace greenlane

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
  spin,   // a core is busy, and goes on within a microsecond
  block,  // the thread sleeps, and goes on some ten microseconds later, at times more
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
// Worst wait of an urgent call: the slices that were launched before it closed the gate. Nobody waits on the device.
// Memory order: closing is a sequentially consistent increment before the urgent work is enqueued, and best effort
// reads the count before it launches. Either it sees the call and waits, or its launch came before the call's: then it
// is one of the slices in flight. Everything else is under the mutex. Thread safety: all members.
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
    // All is enqueued: from now on the gate is closed until `is_done` says that the work is done, which best-effort
    // threads ask under the gate's lock. It must not throw, and must not touch the gate.
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
  struct Call {
    std::uint64_t number;
    std::uint64_t place;
    Clock::time_point begin;
    Clock::time_point limit;
    std::function<bool()> is_done;  // empty: still being enqueued
  };
  // Under the mutex: forgets calls that are done, or past their limit.
  void settle(Clock::time_point now);
  [[nodiscard]] bool holds(std::uint64_t place) const;
  void open(std::uint64_t number);
  void note_end(const Call& call, Clock::time_point now);
  // As is_open(), but where another thread is looking already, it is not.
  [[nodiscard]] bool try_is_open(std::uint64_t place);

  std::atomic<int> calls_under_way_{0};  // = calls_.size(): what is asked before every slice
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  std::vector<Call> calls_;
  std::uint64_t next_ = 1;
  GateReport report_;
  std::shared_ptr<SpanLog> log_;
};

}  // namespace greenlane

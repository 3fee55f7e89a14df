// The gate of a device.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/core/gated_work.hpp>
#include <greenlane/detail/core/span_log.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace greenlane {

// The gate of a device. An urgent call closes it before it enqueues work. The gate opens when that work is done on the
// device. Best-effort engines ask it before each slice. It holds only engines that share units with the call.
//
// Worst wait of an urgent call: for each best-effort engine, the slices launched before the gate closed, and one slice
// that its thread had asked for and not yet launched. Nothing waits on the device.
// Memory order: closing is a sequentially consistent increment before the urgent work is enqueued. A best-effort thread
// reads the count before each launch. It either sees the call and waits, or asked before the call, and its one launch
// counts as in flight. All other state is under a mutex that is held for a few instructions. Only one waiting thread at
// a time asks the device, and it does not hold that mutex.
// Thread safety: all members may be called from any thread.
class Gate {
 public:
  using Clock = std::chrono::steady_clock;

  // Returns the device's gate. It is made at the first use.
  [[nodiscard]] static std::shared_ptr<Gate> of(const Device& device);
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // An urgent call, from before it enqueues work. The destructor opens the gate if enqueued() was not called, also
  // after an exception.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::move(other.gate_)), number_(other.number_) { other.gate_.reset(); }
    Pass& operator=(Pass&&) = delete;
    ~Pass();
    // Reports that all work is enqueued. The gate now stays closed until `is_done` returns true. One thread at a time
    // calls `is_done`, possibly once more after the gate has released the call. It must not throw.
    void enqueued(std::function<bool()> is_done);

   private:
    friend class Gate;
    Pass(std::shared_ptr<Gate> gate, std::uint64_t number) : gate_(std::move(gate)), number_(number) {}
    std::shared_ptr<Gate> gate_;
    std::uint64_t number_;
  };
  // Best-effort work that a call does not hold. The addresses are compared and never followed.
  using Beside = std::vector<const GatedWork*>;
  // Closes the gate for an urgent call. After `limit` best-effort work goes on even if the call is not done, and the
  // report counts it.
  [[nodiscard]] static Pass close(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit,
                                  Beside beside = {});
  // Closes the gate, from `from` on, for an expected call. The report does not count it as a pass or as a limit that
  // was hit. `limit` counts from `from`.
  [[nodiscard]] static Pass expect(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit,
                                   Clock::time_point from = Clock::now(), Beside beside = {});

  // Makes best-effort work known to urgent engines, for as long as it lives.
  void join(const std::shared_ptr<GatedWork>& work);
  // Returns the work that has joined and shares units with these.
  [[nodiscard]] std::vector<std::shared_ptr<GatedWork>> work_on(UnitSetId units);

  // Returns true if best-effort work on these units may go on. `work`: the work that asks; null: work that never
  // joined.
  [[nodiscard]] bool is_open(UnitSetId units, const GatedWork* work = nullptr);
  // Waits until the gate is open for these units. Returns the time waited.
  std::chrono::nanoseconds wait(UnitSetId units, GateWait how, const GatedWork* work = nullptr);
  [[nodiscard]] GateReport report() const;
  // Sets the report's counters to zero.
  void reset_report();
  // Sets the log of the times during which urgent calls kept the gate closed, for some work at least; null: no log. The
  // end of a call is noticed when best-effort work asks the gate.
  void set_log(std::shared_ptr<SpanLog> log);

 private:
  using IsDone = std::shared_ptr<const std::function<bool()>>;
  struct Call {
    std::uint64_t number;
    UnitSetId units;
    Clock::time_point begin;  // may be in the future for an expected call, which holds nobody until then
    Clock::time_point limit;
    bool is_expected;
    Beside beside;
    IsDone is_done;  // null: still being enqueued
  };
  struct Asked {
    std::uint64_t number;
    IsDone is_done;
  };
  static Pass add(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit, bool is_expected,
                  Clock::time_point begin, Beside beside);
  // Removes calls that are done or past their limit. Requires `asking_` and not `mutex_`.
  void settle();
  // Returns true if a call holds this work on these units.
  [[nodiscard]] bool holds(UnitSetId units, const GatedWork* work) const;
  void open(std::uint64_t number);
  // Records a call's end. Requires `mutex_`.
  void left(const Call& call, Clock::time_point now);

  std::atomic<int> calls_under_way_{0};    // = calls_.size(); read before every slice
  std::atomic<std::uint64_t> changes_{0};  // number of changes of calls_; read by waiting threads
  std::mutex asking_;                      // locked before mutex_
  std::vector<Asked> asked_;               // guarded by asking_
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  std::vector<Call> calls_;
  std::vector<std::weak_ptr<GatedWork>> works_;
  std::uint64_t next_ = 1;
  GateReport report_;
  std::shared_ptr<SpanLog> log_;
};

}  // namespace greenlane

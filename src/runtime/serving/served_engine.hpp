// One engine of an open pipeline: its workload, its thread, its requests and its figures.
#pragma once

#include "runtime/serving/engine_thread.hpp"
#include "runtime/serving/figures.hpp"
#include "runtime/serving/tenant.hpp"

#include <greenlane/detail/runtime/workload.hpp>
#include <greenlane/runtime/stats.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace greenlane::runtime {

struct ServingOptions {
  std::string name{};
  std::optional<std::chrono::nanoseconds> deadline{};
  std::size_t capacity = 64;             // requests that may wait
  std::optional<BatchLimits> batches{};  // absent: each request runs alone
  std::shared_ptr<Tenant> tenant{};      // whose requests it runs; null: nobody's
  bool stops_on_error = false;           // its first error ends it
  std::chrono::nanoseconds hang_after = std::chrono::seconds(5);
  // Called on the thread that found the miss. Must be quick, and must not throw.
  std::function<void(const Miss&)> on_miss{};
};

// Thread safety: all members may be called from any thread, except that close() and the destructor are called once, and
// reopen() while nothing else is.
class ServedEngine {
 public:
  ServedEngine(std::shared_ptr<Workload> workload, ServingOptions options);
  // Waits for the run that is under way, unless close() gave up.
  ~ServedEngine();
  ServedEngine(const ServedEngine&) = delete;
  ServedEngine& operator=(const ServedEngine&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] Workload& workload() const noexcept;

  // Queues a run. Its arrival is now.
  // Throws: RequestError (queue_full, too_many, stopped, closed); StreamError in a process that was forked since.
  [[nodiscard]] std::shared_ptr<Request> submit(std::unique_ptr<Work> work, RequestTimes times) {
    return submit_made([&] { return std::move(work); }, times);
  }
  // Runs `make_work` to make the work, if there is room for it: a flood that is refused copies no inputs. See submit().
  template <typename MakeWork>
  [[nodiscard]] std::shared_ptr<Request> submit_made(MakeWork&& make_work, RequestTimes times) {
    return while_serving([&] {
      auto place = admit(times);
      if (wakes_early_) thread_.expect_request();
      return enqueue(std::forward<MakeWork>(make_work)(), times, std::move(place));
    });
  }
  // Ends a request that has not begun. Returns false if it has begun or ended.
  bool cancel(Request& request);

  // Runs `work` on the calling thread, counts it, and returns its result. On a CPU a call is a run. An error does not
  // count if `is_callers_fault` returns true, and does not stop the engine then.
  // Throws: what `work` throws; RequestError (stopped, closed).
  template <typename Work, typename IsCallersFault>
  auto call(Work&& work, IsCallersFault&& is_callers_fault) {
    const UnderWay under_way(*this);
    require_serving();
    const bool is_done = workload().is_done_when_called();
    const auto start = is_done ? Clock::now() : Clock::time_point();
    try {
      auto result = std::forward<Work>(work)();
      count_call(is_done, start);
      return result;
    } catch (...) {
      if (!std::forward<IsCallersFault>(is_callers_fault)()) count_failure(std::current_exception());
      throw;
    }
  }

  template <typename Work>
  auto call(Work&& work) {
    return call(std::forward<Work>(work), [] { return false; });
  }

  // Runs a task on the engine's thread, such as a warm-up.
  // Throws: what the task throws.
  void run_on_thread(const std::function<void()>& task) { thread_.run(task); }

  // Runs `work` on the calling thread. The workload is not dropped meanwhile.
  // Throws: what `work` throws; RequestError (stopped, closed).
  template <typename Work>
  auto while_serving(Work&& work) {
    const UnderWay under_way(*this);
    require_serving();
    return std::forward<Work>(work)();
  }

  // Runs a task on the engine's thread, between two runs. Waits no longer than the engine serves.
  // Lifetime: the task must own everything it uses, because it may be run after this has thrown.
  // Throws: what the task throws; RequestError (stopped, closed).
  void run_if_serving(std::function<void()> task);

  // On a GPU: wakes the thread while the inputs of a request are still being copied, and around the time at which the
  // next one is likely. `period`: between two requests; absent: not known.
  void expect_requests(std::optional<std::chrono::nanoseconds> period) {
    wakes_early_ = true;
    thread_.expect_requests(period);
  }

  // Runs its requests in turns with engines of other tenants. Requires a tenant. Call it before requests come.
  void take_turns(std::shared_ptr<FairTurns> turns);
  // The tenant whose requests it runs; null: nobody's.
  [[nodiscard]] const std::shared_ptr<Tenant>& tenant() const noexcept;

  // Runs of a trigger go through these, on the engine's thread.
  // Returns true if it may be run.
  [[nodiscard]] bool is_serving() const noexcept;
  struct Ran {
    Clock::time_point end;
    std::exception_ptr error;  // null: none
  };
  struct RunTimes {
    Clock::time_point arrival;
    Clock::time_point start;
    std::optional<Clock::time_point> end{};  // absent: when `work` returns
  };
  // Runs `work` and counts it. `work` may move the times to when its inputs and its outputs were there.
  Ran run_triggered(RunTimes& times, const std::function<void()>& work);
  // Runs `work`, which starts now, and counts it.
  Ran run_triggered(Clock::time_point arrival, const std::function<void()>& work) {
    RunTimes times{.arrival = arrival, .start = Clock::now()};
    return run_triggered(times, work);
  }
  // Counts ticks of a timer that passed while it was busy.
  void count_skipped(std::uint64_t ticks, std::chrono::nanoseconds waited);

  // Counts a run that was skipped because an edge had no value yet.
  void count_not_ready();
  // Counts a run that was skipped because its inputs were too old.
  void count_stale();
  // Counts the age of the inputs of a run.
  void count_age(std::chrono::nanoseconds age);

  void start(std::shared_ptr<Trigger> trigger, std::chrono::nanoseconds spin) {
    thread_.start(std::move(trigger), spin);
  }
  void wake() { thread_.wake(); }
  // Says that a run comes in some microseconds.
  void expect_run() { thread_.expect_request(); }
  bool stop(Clock::time_point until) { return thread_.stop(until); }
  [[nodiscard]] bool wait_for_trigger(std::chrono::nanoseconds time) { return thread_.wait_for_trigger(time); }

  // Forgets the runs so far.
  void begin_figures();
  // Fills name, deadline, figures, queue and error.
  void fill(EngineStats& stats, Clock::time_point now) const;

  // Returns true once a run has taken longer than `hang_after`, before its requests fail.
  [[nodiscard]] bool is_broken() const noexcept;
  // Fails all requests if a run has taken longer than `hang_after`. Returns true then, at each call.
  bool break_if_hanging(Clock::time_point now);
  // Refuses calls and requests from now on, and cancels those that have not begun.
  void refuse();
  // After refuse(): ends the thread and waits for calls, but not beyond `until`. The request under way fails then.
  // Returns whether nothing is under way any more.
  bool close(Clock::time_point until);
  // After close(): drops the workload.
  void unload() noexcept;

 private:
  struct State;
  // A call that close() waits for.
  class UnderWay {
   public:
    explicit UnderWay(ServedEngine& engine) : engine_(engine) { ++engine_.calls_under_way_; }
    ~UnderWay() { --engine_.calls_under_way_; }
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

   private:
    ServedEngine& engine_;
  };
  void require_serving() const;
  // Returns the tenant's place for a request; null: it has no tenant.
  // Throws: RequestError (queue_full, too_many).
  [[nodiscard]] std::shared_ptr<void> admit(const RequestTimes& times);
  [[nodiscard]] std::shared_ptr<Request> enqueue(std::unique_ptr<Work> work, RequestTimes times,
                                                 std::shared_ptr<void> place);
  [[noreturn]] void refuse_full();
  void count_call(bool is_done, Clock::time_point start);
  void count_failure(const std::exception_ptr& error);
  std::shared_ptr<State> state_;  // shared with the thread
  std::atomic<int> calls_under_way_{0};
  bool wakes_early_ = false;
  EngineThread thread_;
};

}  // namespace greenlane::runtime

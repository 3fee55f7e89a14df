// The thread on which an engine is loaded, captured and run.
#pragma once

#include "runtime/serving/fair_turns.hpp"
#include "runtime/serving/request.hpp"
#include "runtime/serving/request_queue.hpp"
#include "runtime/serving/trigger.hpp"

#include <greenlane/detail/core/process.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// One thread, because libraries such as cuBLAS make a handle for each thread and wait for the whole device to do so.
// Beside busy neighbours, each such wait takes as long as a neighbour's request.
//
// Order: tasks come first, then requests and the runs of the trigger in the order of their times. Requests that wait
// for others of their run come once it is due.
// Thread safety: all members may be called from any thread but this one, except close() and the destructor: once.
class EngineThread {
 public:
  using Requests = RequestQueue::Requests;

  // `serve` runs requests together, on this thread, and ends each. Without `batches` it gets one. It must not throw.
  // Lifetime: `serve` must own everything it uses, because a thread that hangs outlives this object.
  // Throws: DeviceError if the operating system refuses the thread.
  EngineThread(std::string name, std::function<void(const Requests&)> serve, std::optional<BatchLimits> batches = {});
  // As close(), without a limit.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Queues a task. The result has what it throws.
  // Throws: RequestError if the thread is closed; StreamError in a process that was forked since.
  [[nodiscard]] std::future<void> begin(std::function<void()> task);
  // Runs a task on the thread and returns when it has returned.
  // Throws: what the task throws; what begin() throws.
  void run(std::function<void()> task) { begin(std::move(task)).get(); }
  // Says how often requests come; absent: nobody knows. The thread spins around the time of the next one.
  void expect_requests(std::optional<std::chrono::nanoseconds> period);
  // Says that a request comes in some microseconds. Wakes the thread, which then spins for a short time.
  void expect_request();
  // Runs requests in turns with other engines from now on. Requests wait in the queue until it is this engine's turn.
  // `tenant`, `weight`: see FairTurns. Call it before requests come.
  void take_turns(std::shared_ptr<FairTurns> turns, const std::string& tenant, double weight);
  // Takes no turns any more, because a run does not end.
  void leave_turns();
  // Queues a request. Returns false, and does nothing, if the queue holds `capacity` requests or the thread is closed.
  // Throws: StreamError in a process that was forked since.
  [[nodiscard]] bool push(std::shared_ptr<Request> request, std::size_t capacity);
  // Takes all requests that have not begun.
  [[nodiscard]] Requests take_queued();
  // Takes this request out of the queue, if it is there.
  void forget(const Request& request);
  [[nodiscard]] std::size_t queued() const;

  // Follows the trigger from now on, instead of the former one. `spin`: the time before each run at which the thread
  // stops sleeping and spins, because waking up late would count as latency. Zero for a trigger that follows data.
  void start(std::shared_ptr<Trigger> trigger, std::chrono::nanoseconds spin);
  // Asks the trigger again for its time.
  void wake();
  // Follows no trigger from now on. Waits until no run of the trigger is under way, but not beyond `until`. Returns
  // whether none is.
  bool stop(Clock::time_point until);
  // Waits until the trigger has ended by itself or was stopped. Returns false if `time` is over first.
  [[nodiscard]] bool wait_for_trigger(std::chrono::nanoseconds time);

  // Returns the requests that are under way.
  [[nodiscard]] Requests under_way() const;
  // Returns how long the present request or run of the trigger has taken; zero: there is none.
  [[nodiscard]] std::chrono::nanoseconds busy_for(Clock::time_point now) const noexcept;

  // Ends the thread after the run that is under way, and does not wait.
  void end_soon();
  // As end_soon(), and waits for the run that is under way, but not beyond `until`. A thread that does not end in time
  // is left alone. Returns whether it has ended. Queued requests stay queued; take_queued() gives them.
  bool close(Clock::time_point until);

 private:
  struct State;
  static void loop(const std::shared_ptr<State>& state);
  detail::Origin origin_;
  std::string name_;
  std::shared_ptr<State> state_;  // shared with the thread
  std::thread thread_;
};

}  // namespace greenlane::runtime

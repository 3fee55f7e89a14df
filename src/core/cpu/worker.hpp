// The thread behind a CPU lane.
#pragma once

#include <greenlane/detail/core/process.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::detail {

// A piece of work for a worker.
// Thread safety: all members may be called from any thread.
class WorkerTask;

// A thread that runs its work in order. Its affinity and niceness are set before its first work, so that every thread
// started from there (above all an OpenMP team) inherits them.
//
// Order: work runs one piece at a time, with one exception, which prevents a deadlock of two workers: work that waits
// for another worker runs the queued work for which that worker waits here, directly or through further workers.
// Forks: the thread does not exist in a forked child. There, run() and submit() throw StreamError, and the destructor
// does not wait.
// Thread safety: all members may be called from any thread.
class Worker {
 public:
  // Starts the thread. Empty `cpus`: not pinned.
  // Throws: DeviceError if the operating system refuses.
  Worker(std::string name, std::vector<int> cpus, std::optional<int> niceness);
  // Waits for the queued work. On the worker's own thread (released work may end there) it does not wait.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `work` and returns when it has returned. On the worker's own thread it runs in place, because a thread that
  // waits for itself would wait for ever.
  // Throws: what `work` throws.
  void run(const std::function<void()>& work);
  // Queues `work`, which must own everything it uses, and returns. On the worker's own thread it runs in place.
  [[nodiscard]] std::shared_ptr<WorkerTask> submit(std::function<void()> work);

 private:
  friend class WorkerTask;
  struct State;
  std::string name_;
  Origin origin_;
  std::shared_ptr<State> state_;  // shared with the thread
};

class WorkerTask {
 public:
  WorkerTask(std::function<void()> work, std::shared_ptr<Worker::State> worker);
  // Waits until the work is done, or for `time` at most. Returns whether it is done.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time);
  // Waits until the work is done.
  void wait();
  // Throws: what the work threw. The task must be done.
  void rethrow() const;
  // Drops the work if it has not begun. Returns true if it is dropped or done.
  [[nodiscard]] bool cancel() noexcept;
  // Gives up the result. Queued work is dropped. Work under way continues and releases `keep` at its end.
  void let_go(std::shared_ptr<const void> keep) noexcept;

 private:
  friend class Worker;
  friend struct Worker::State;
  enum class Status { queued, under_way, done };

  std::function<void()> work_;
  const std::shared_ptr<Worker::State> worker_;
  const std::weak_ptr<Worker::State> caller_;  // the worker on whose thread it was submitted, if any
  const Origin origin_;
  // Guarded by the worker's mutex:
  Status status_ = Status::queued;
  std::exception_ptr error_{};
  std::shared_ptr<const void> keep_{};
};

}  // namespace greenlane::detail

// The thread behind a CPU lane.
#pragma once

#include <greenlane/detail/process.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::detail {

// A piece of work for a worker. Thread safety: all members.
class WorkerTask;

// One thread that runs what it is given, in order. Its affinity and niceness are set before its first work, so that
// every thread started from there (an OpenMP team, above all) inherits them.
//
// Order: work runs one piece at a time. The exception keeps two workers from waiting for each other for ever: work that
// waits for another worker lets in what that one, directly or by way of others, waits for here.
// Forks: a child has no such thread. There run() and submit() throw StreamError, and the destructor waits for nobody.
// Thread safety: all members.
class Worker {
 public:
  // Empty `cpus`: pinned nowhere. Throws DeviceError where the operating system refuses.
  Worker(std::string name, std::vector<int> cpus, std::optional<int> niceness);
  // After the work that is queued. On the worker's own thread, which let-go work ends on, it does not wait.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Returns when `work` has returned, with what it threw. From the worker's own thread it runs in place: waiting for
  // oneself would last for ever.
  void run(const std::function<void()>& work);
  // Queues `work`, which owns what it uses, and returns. From the worker's own thread it runs in place.
  [[nodiscard]] std::shared_ptr<WorkerTask> submit(std::function<void()> work);

 private:
  friend class WorkerTask;
  struct State;
  std::string name_;
  Origin origin_;
  std::shared_ptr<State> state_;  // the thread's, too
};

class WorkerTask {
 public:
  WorkerTask(std::function<void()> work, std::shared_ptr<Worker::State> worker);
  // Whether it is done, after this time at most.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time);
  // Waits until it is done.
  void wait();
  // Throws what the work threw. Of a task that is done.
  void rethrow() const;
  // Drops it where it has not begun. Returns whether it is over.
  [[nodiscard]] bool cancel() noexcept;
  // Nobody waits any more. Work that is queued is dropped. Work under way goes on, and `keep` is let go of behind it.
  void let_go(std::shared_ptr<const void> keep) noexcept;

 private:
  friend class Worker;
  friend struct Worker::State;
  enum class Status { queued, under_way, done };

  std::function<void()> work_;
  const std::shared_ptr<Worker::State> worker_;
  const std::weak_ptr<Worker::State> caller_;  // the worker on whose thread it was submitted, if any
  const Origin origin_;
  // Under the worker's mutex:
  Status status_ = Status::queued;
  std::exception_ptr error_{};
  std::shared_ptr<const void> keep_{};
};

}  // namespace greenlane::detail

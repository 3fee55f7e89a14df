#include "core/cpu/worker.hpp"

#include "core/cpu/thread_settings.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace greenlane::detail {
namespace {

using Clock = std::chrono::steady_clock;

// The interval at which a waiting worker checks again whether another worker waits for it. A moment between two waits
// of the other worker may have hidden that.
constexpr auto kLook = std::chrono::milliseconds(5);

// Guards the record of which worker waits for which task.
std::mutex& waits() {
  static PerProcess<std::mutex> one;
  return one.get();
}

}  // namespace

struct Worker::State {
  std::mutex mutex;
  std::condition_variable arrived;   // signals new work, and progress of the task that this worker's work waits for
  std::condition_variable finished;  // signals a finished task
  std::deque<std::shared_ptr<WorkerTask>> queue;
  bool stopping = false;
  WorkerTask* waits_for = nullptr;  // the task that the innermost work under way waits for; guarded by waits()
  std::thread thread;
  const Origin origin;

  // Returns the worker of the calling thread; null if it has none, and in a child that was forked from a worker.
  static std::shared_ptr<State> here() {
    const auto state = of_this_thread.lock();
    return state && state->origin.is_here() ? state : nullptr;
  }

  static void loop(const std::shared_ptr<State>& self);
  // Runs the task and notifies all waiting threads.
  static void perform(WorkerTask& task);
  // Waits until the task is done or the time is over. Meanwhile this worker, whose work waits, runs the queued tasks
  // that must be done first.
  void wait_nested(WorkerTask& task, Clock::time_point until);
  // Takes the queued task without which `task` cannot finish, if there is one. Requires the mutex.
  std::shared_ptr<WorkerTask> take_needed_for(const WorkerTask& task);
  void wake() {
    {
      const std::scoped_lock lock(mutex);
    }
    arrived.notify_all();
  }

  static thread_local std::weak_ptr<State> of_this_thread;
};

thread_local std::weak_ptr<Worker::State> Worker::State::of_this_thread;

void Worker::State::loop(const std::shared_ptr<State>& self) {
  of_this_thread = self;
  std::unique_lock lock(self->mutex);
  while (true) {
    self->arrived.wait(lock, [&] { return self->stopping || !self->queue.empty(); });
    if (self->queue.empty()) return;
    const auto task = std::move(self->queue.front());
    self->queue.pop_front();
    task->status_ = WorkerTask::Status::under_way;
    lock.unlock();
    perform(*task);
    // In a child that the work forked: its only thread ends, and so does the process.
    if (!self->origin.is_here()) return;
    lock.lock();
  }
}

void Worker::State::perform(WorkerTask& task) {
  std::exception_ptr error;
  try {
    task.work_();
    task.work_ = nullptr;  // destroys the objects it owns before anybody hears that it is done
  } catch (abi::__forced_unwind&) {
    throw;  // the thread is being ended, as Python does with threads that outlive it
  } catch (...) {
    error = std::current_exception();
    task.work_ = nullptr;
  }
  if (!task.origin_.is_here()) return;
  std::shared_ptr<const void> kept;
  {
    const std::scoped_lock lock(task.worker_->mutex);
    task.error_ = std::move(error);
    task.status_ = WorkerTask::Status::done;
    kept = std::move(task.keep_);
  }
  task.worker_->finished.notify_all();
  if (const auto caller = task.caller_.lock()) caller->wake();
}

std::shared_ptr<WorkerTask> Worker::State::take_needed_for(const WorkerTask& task) {
  const std::scoped_lock lock(waits());
  // Follow the waits from worker to worker. Either a worker on the way can go on, or the waits form a circle. The bound
  // ends the search in a circle without this worker.
  constexpr int kMostWorkers = 10'000;
  const State* worker = task.worker_.get();
  for (int i = 0; i < kMostWorkers; ++i) {
    const auto* const next = worker->waits_for;
    if (!next) return nullptr;
    if (next->worker_.get() == this) {
      const auto queued = std::ranges::find(queue, next, &std::shared_ptr<WorkerTask>::get);
      if (queued == queue.end()) return nullptr;
      auto needed = std::move(*queued);
      queue.erase(queued);
      needed->status_ = WorkerTask::Status::under_way;
      return needed;
    }
    worker = next->worker_.get();
  }
  return nullptr;
}

void Worker::State::wait_nested(WorkerTask& task, Clock::time_point until) {
  WorkerTask* outer = nullptr;
  {
    const std::scoped_lock lock(waits());
    outer = std::exchange(waits_for, &task);
  }
  task.worker_->wake();  // it may wait for this one
  std::unique_lock lock(mutex);
  while (true) {
    lock.unlock();
    bool is_done = false;
    {
      const std::scoped_lock its(task.worker_->mutex);
      is_done = task.status_ == WorkerTask::Status::done;
    }
    lock.lock();
    const auto now = Clock::now();
    if (is_done || now >= until) break;
    if (const auto needed = take_needed_for(task)) {
      lock.unlock();
      perform(*needed);
      lock.lock();
      continue;
    }
    arrived.wait_until(lock, std::min<Clock::time_point>(until, now + kLook));
  }
  lock.unlock();
  const std::scoped_lock waiting(waits());
  waits_for = outer;
}

WorkerTask::WorkerTask(std::function<void()> work, std::shared_ptr<Worker::State> worker)
    : work_(std::move(work)), worker_(std::move(worker)), caller_(Worker::State::here()) {}

bool WorkerTask::wait_for(std::chrono::nanoseconds time) {
  origin_.require_here("work on a lane");
  const auto now = Clock::now();
  const auto until = time > Clock::time_point::max() - now ? Clock::time_point::max() : now + time;
  if (const auto here = Worker::State::here(); here && here != worker_) here->wait_nested(*this, until);
  std::unique_lock lock(worker_->mutex);
  const auto is_done = [this] { return status_ == Status::done; };
  if (until == Clock::time_point::max()) {
    worker_->finished.wait(lock, is_done);
    return true;
  }
  return worker_->finished.wait_until(lock, until, is_done);
}

void WorkerTask::wait() { (void)wait_for(std::chrono::nanoseconds::max()); }

void WorkerTask::rethrow() const {
  if (error_) std::rethrow_exception(error_);
}

bool WorkerTask::cancel() noexcept {
  if (!origin_.is_here()) return true;
  std::function<void()> dropped;  // destroyed after the lock is released, with the objects it owns
  const std::scoped_lock lock(worker_->mutex);
  if (status_ != Status::queued) return status_ == Status::done;
  std::erase_if(worker_->queue, [this](const auto& task) { return task.get() == this; });
  dropped.swap(work_);
  status_ = Status::done;
  return true;
}

void WorkerTask::let_go(std::shared_ptr<const void> keep) noexcept {
  if (cancel()) return;
  const std::scoped_lock lock(worker_->mutex);
  if (status_ == Status::under_way) keep_ = std::move(keep);
}

Worker::Worker(std::string name, std::vector<int> cpus, std::optional<int> niceness)
    : name_(std::move(name)), state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_] { State::loop(state); });
  try {
    run([&] { apply_thread_settings(name_, cpus, niceness); });
  } catch (...) {
    {
      const std::scoped_lock lock(state_->mutex);
      state_->stopping = true;
    }
    state_->arrived.notify_all();
    state_->thread.join();
    throw;
  }
}

Worker::~Worker() {
  // In a forked child the state is never freed, because its thread, which does not exist there, holds it.
  if (!origin_.is_here()) return;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
  }
  state_->arrived.notify_all();
  if (State::here() == state_) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

void Worker::run(const std::function<void()>& work) {
  origin_.require_here("lane '" + name_ + "'");
  if (State::here() == state_) {
    work();
    return;
  }
  const auto task = submit([&work] { work(); });
  task->wait();
  task->rethrow();
}

std::shared_ptr<WorkerTask> Worker::submit(std::function<void()> work) {
  origin_.require_here("lane '" + name_ + "'");
  auto task = std::make_shared<WorkerTask>(std::move(work), state_);
  if (State::here() == state_) {
    task->status_ = WorkerTask::Status::under_way;
    State::perform(*task);
    return task;
  }
  {
    const std::scoped_lock lock(state_->mutex);
    state_->queue.push_back(task);
  }
  state_->arrived.notify_all();
  return task;
}

}  // namespace greenlane::detail

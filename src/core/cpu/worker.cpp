#include "core/cpu/worker.hpp"

#include <greenlane/core/error.hpp>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace greenlane::detail {
namespace {

void set_affinity(const std::string& lane, const std::vector<int>& cpus) {
  const auto highest = static_cast<std::size_t>(*std::ranges::max_element(cpus)) + 1;
  const std::size_t size = CPU_ALLOC_SIZE(highest);
  cpu_set_t* set = CPU_ALLOC(highest);
  CPU_ZERO_S(size, set);
  for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), size, set);
  const int error = pthread_setaffinity_np(pthread_self(), size, set);
  CPU_FREE(set);
  if (error != 0) {
    throw DeviceError({.what = "lane '" + lane + "' could not be pinned to its cores",
                       .why = std::strerror(error),  // NOLINT(concurrency-mt-unsafe)
                       .remedy = "check the affinity (taskset -p) and the cpuset that this process was started with"});
  }
}

void set_niceness(const std::string& lane, int niceness) {
  // On Linux niceness belongs to a thread, and threads that it starts inherit it.
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness) != 0) {
    throw DeviceError({.what = "lane '" + lane + "' could not be given the nice value " + std::to_string(niceness),
                       .why = std::strerror(errno),  // NOLINT(concurrency-mt-unsafe)
                       .remedy = "use a value that is not below the process's own, or run with CAP_SYS_NICE"});
  }
}

}  // namespace

Worker::Worker(const std::string& name, std::vector<int> cpus, std::optional<int> niceness)
    : thread_([this] { loop(); }) {
  const std::function<void()> prepare = [&] {
    pthread_setname_np(pthread_self(), ("lane " + name).substr(0, 15).c_str());
    if (!cpus.empty()) set_affinity(name, cpus);
    if (niceness) set_niceness(name, *niceness);
  };
  try {
    run(prepare);
  } catch (...) {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_one();
    thread_.join();
    throw;
  }
}

Worker::~Worker() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

thread_local const Worker::Task* Worker::current = nullptr;

void Worker::run(const std::function<void()>& work) {
  if (std::this_thread::get_id() == thread_.get_id()) {
    work();
    return;
  }
  Task task{.work = &work, .worker = this, .caller = current};
  bool inner = false;
  for (const Task* above = current; above && !inner; above = above->caller) inner = above->worker == this;
  std::unique_lock lock(mutex_);
  (inner ? inner_ : queue_).push_back(&task);
  arrived_.notify_one();
  if (task.caller) {
    lock.unlock();
    task.caller->worker->wait_as_caller(task);
  } else {
    finished_.wait(lock, [&] { return task.done; });
    lock.unlock();
  }
  if (task.error) std::rethrow_exception(task.error);
}

void Worker::perform(Task& task) {
  const Task* const outer = std::exchange(current, &task);
  try {
    (*task.work)();
  } catch (...) {
    task.error = std::current_exception();
  }
  current = outer;
  Worker& waiting = task.caller ? *task.caller->worker : *this;
  // Under the lock, because the task is gone as soon as its caller sees that it is done.
  const std::scoped_lock lock(waiting.mutex_);
  task.done = true;
  (task.caller ? waiting.arrived_ : waiting.finished_).notify_all();
}

void Worker::wait_as_caller(const Task& task) {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [&] { return task.done || !inner_.empty(); });
    if (task.done) return;
    Task* inner = inner_.front();
    inner_.pop_front();
    lock.unlock();
    perform(*inner);
    lock.lock();
  }
}

void Worker::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Task* task = queue_.front();
    queue_.pop_front();
    lock.unlock();
    perform(*task);
    lock.lock();
  }
}

}  // namespace greenlane::detail

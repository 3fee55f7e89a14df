// The thread behind a CPU lane.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::detail {

// One thread that runs what it is given, in order. Its affinity and niceness are set before its first work, so that
// every thread started from there (an OpenMP team, above all) inherits them.
class Worker {
 public:
  // Empty `cpus`: pinned nowhere. Throws DeviceError where the operating system refuses.
  Worker(const std::string& name, std::vector<int> cpus, std::optional<int> niceness);
  // After the work that is queued. Not on the worker's own thread: whoever calls run() holds the worker until it
  // returns.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Returns when `work` has returned, with what it threw. From the worker's own thread it runs in place: waiting for
  // oneself would last for ever. For the same reason work is run at once, inside of the work under way, where that
  // waits for another worker on whose behalf this is called.
  void run(const std::function<void()>& work);

 private:
  struct Task {
    const std::function<void()>* work;
    Worker* worker;
    const Task* caller;  // the work that called run(), if any worker's did
    std::exception_ptr error{};
    bool done = false;
  };
  void loop();
  // Runs it, and tells whoever waits.
  void perform(Task& task);
  // Until the task is done; meanwhile this worker, whose work waits, does what is called on behalf of that.
  void wait_as_caller(const Task& task);

  static thread_local const Task* current;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable finished_;
  std::deque<Task*> queue_;
  std::deque<Task*> inner_;  // called on behalf of the work under way
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace greenlane::detail

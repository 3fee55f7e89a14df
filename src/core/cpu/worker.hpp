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
  // oneself would last for ever.
  void run(const std::function<void()>& work);

 private:
  struct Task {
    const std::function<void()>* work;
    std::exception_ptr error;
    bool done = false;
  };
  void loop();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable finished_;
  std::deque<Task*> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace greenlane::detail

// Finds engines that hang.
#pragma once

#include "runtime/serving/served_engine.hpp"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace greenlane::runtime {

// Looks at the engines twenty times a second.
// Thread safety: is_broken() may be called from any thread.
// Lifetime: the engines must outlive it.
class Watchdog {
 public:
  explicit Watchdog(std::vector<ServedEngine*> engines);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  // Returns true once an engine has hung.
  [[nodiscard]] bool is_broken() const noexcept { return std::ranges::any_of(engines_, &ServedEngine::is_broken); }

 private:
  void watch();
  std::vector<ServedEngine*> engines_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace greenlane::runtime

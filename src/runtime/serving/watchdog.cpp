#include "runtime/serving/watchdog.hpp"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace greenlane::runtime {

Watchdog::Watchdog(std::vector<ServedEngine*> engines) : engines_(std::move(engines)), thread_([this] { watch(); }) {
  pthread_setname_np(thread_.native_handle(), "gl-watchdog");
}

Watchdog::~Watchdog() {
  {
    const std::scoped_lock lock(mutex_);
    is_ending_ = true;
  }
  ending_.notify_all();
  thread_.join();
}

void Watchdog::watch() {
  constexpr auto kPeriod = std::chrono::milliseconds(50);
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, kPeriod, [&] { return is_ending_; })) {
    const auto now = Clock::now();
    for (auto* engine : engines_) (void)engine->break_if_hanging(now);
  }
}

}  // namespace greenlane::runtime

#include "core/drop_queue.hpp"

#include <greenlane/detail/core/process.hpp>

#include <cstdlib>
#include <utility>

namespace greenlane::detail {

// Never destroyed: the driver may call back after everything else is gone.
DropQueue& DropQueue::instance() {
  static PerProcess<DropQueue> queue;
  return queue.get();
}

void DropQueue::start() {
  const std::scoped_lock lock(mutex_);
  if (thread_.joinable() || stopping_) return;
  thread_ = std::thread([this] { work(); });
  std::atexit([] { instance().stop(); });
}

void DropQueue::put(std::unique_ptr<Entry> entry) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    entry->next_ = std::move(first_);
    first_ = std::move(entry);
  }
  arrived_.notify_one();
}

void DropQueue::wait_until_empty() {
  std::unique_lock lock(mutex_);
  emptied_.wait(lock, [this] { return (!first_ && !at_work_) || stopping_ || !thread_.joinable(); });
}

void DropQueue::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    arrived_.wait(lock, [this] { return first_ || stopping_; });
    if (stopping_) return;
    auto entry = std::move(first_);
    first_ = std::move(entry->next_);
    at_work_ = true;
    lock.unlock();
    entry.reset();
    lock.lock();
    at_work_ = false;
    if (!first_) emptied_.notify_all();
  }
}

void DropQueue::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  emptied_.notify_all();
  if (thread_.joinable()) thread_.join();  // in a forked child the queue may have no thread
}

}  // namespace greenlane::detail

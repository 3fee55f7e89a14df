#include "runtime/serving/request.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {

bool Request::begin() {
  const std::scoped_lock lock(mutex_);
  if (status_ != Status::queued) return false;
  status_ = Status::under_way;
  kept_.reset();
  return true;
}

bool Request::end(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  if (status_ == Status::ended) return false;
  finish(std::move(lock), std::move(error));
  return true;
}

bool Request::end_queued(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  if (status_ != Status::queued) return false;
  finish(std::move(lock), std::move(error));
  return true;
}

void Request::finish(std::unique_lock<std::mutex> lock, std::exception_ptr error) {
  status_ = Status::ended;
  error_ = std::move(error);
  kept_.reset();
  has_ended_.store(true, std::memory_order_release);
  const auto listeners = std::exchange(listeners_, {});
  // Notified under the lock: a waiting caller may destroy the request as soon as it sees the end.
  ended_.notify_all();
  lock.unlock();
  for (const auto& listener : listeners) listener();
}

bool Request::wait_for(std::chrono::nanoseconds time) const {
  require_end_here();
  if (has_ended()) return true;
  constexpr std::chrono::hours kForEver(24 * 365 * 100);  // longer times would overflow the clock
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, std::min<std::chrono::nanoseconds>(time, kForEver),
                         [&] { return status_ == Status::ended; });
}

void Request::wait() const {
  require_end_here();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return status_ == Status::ended; });
  if (error_) std::rethrow_exception(error_);
}

std::exception_ptr Request::error() const {
  const std::scoped_lock lock(mutex_);
  return error_;
}

void Request::when_ended(std::function<void()> listener) {
  {
    const std::scoped_lock lock(mutex_);
    if (status_ != Status::ended) {
      listeners_.push_back(std::move(listener));
      return;
    }
  }
  listener();
}

}  // namespace greenlane::runtime

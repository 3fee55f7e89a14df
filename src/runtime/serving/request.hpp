// One submitted run of an engine, from its queue to its end.
#pragma once

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::runtime {

using Clock = std::chrono::steady_clock;

// The times of a request.
struct RequestTimes {
  Clock::time_point arrival;
  std::optional<std::chrono::nanoseconds> deadline{};  // from the arrival; absent: none
  bool drop_if_late = true;                            // a request whose deadline passed before it begins is not run
  std::uint32_t priority = 0;                          // see RequestOptions
};

// A request ends exactly once: with outputs, with an error, or because it was not run.
// Thread safety: all members may be called from any thread. The work belongs to the engine's thread between begin() and
// end(), and to the caller after an end without an error.
class Request {
 public:
  Request(std::unique_ptr<Work> work, const RequestTimes& times)
      : work_(std::move(work)), rows_(work_->rows()), times_(times) {}

  [[nodiscard]] Work& work() const noexcept { return *work_; }
  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] const RequestTimes& times() const noexcept { return times_; }
  // Returns true if its deadline has passed.
  [[nodiscard]] bool is_late(Clock::time_point now) const noexcept {
    return times_.deadline && now - times_.arrival > *times_.deadline;
  }

  // Notes when its run began and ended. Called on the engine's thread, before end().
  void note_times(Clock::time_point start, Clock::time_point end) noexcept {
    waited_ = start - times_.arrival;
    latency_ = end - times_.arrival;
  }
  // From its arrival to the start and to the end of its run. Zero if it was not run. Call them after its end.
  [[nodiscard]] std::chrono::nanoseconds waited() const noexcept { return waited_; }
  [[nodiscard]] std::chrono::nanoseconds latency() const noexcept { return latency_; }

  // Keeps something until it begins or ends. Call it before others know the request.
  void keep_until_begin(std::shared_ptr<void> kept) { kept_ = std::move(kept); }

  // Notes that its run begins. Returns false if it has ended, so that it must not be run.
  [[nodiscard]] bool begin();
  // Ends it, with an error or with the work's outputs. Returns false if it had ended before.
  bool end(std::exception_ptr error = nullptr);
  // Ends it with an error if its run has not begun. Returns false if it has begun or ended.
  bool end_queued(std::exception_ptr error);

  // Checks that it can end in this process, or has ended.
  // Throws: StreamError in a process that was forked since, because the engine's thread is the parent's.
  void require_end_here() const {
    if (!has_ended()) origin_.require_here("a request that has not ended");
  }
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_.load(std::memory_order_acquire); }
  // Waits until it has ended, or for `time` at most. Returns whether it has ended.
  // Throws: as require_end_here().
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const;
  // Waits until it has ended.
  // Throws: the error that it ended with; as require_end_here().
  void wait() const;
  // Returns the error that it ended with; null: none, or it has not ended.
  [[nodiscard]] std::exception_ptr error() const;
  // Calls `listener` when it ends, on the thread that ends it; at once if it has ended. `listener` must not throw.
  void when_ended(std::function<void()> listener);

 private:
  enum class Status { queued, under_way, ended };
  void finish(std::unique_lock<std::mutex> lock, std::exception_ptr error);

  detail::Origin origin_;
  const std::unique_ptr<Work> work_;
  const std::int64_t rows_;
  const RequestTimes times_;
  std::chrono::nanoseconds waited_{0};
  std::chrono::nanoseconds latency_{0};
  std::atomic<bool> has_ended_{false};
  mutable std::mutex mutex_;  // guards the following members
  mutable std::condition_variable ended_;
  Status status_ = Status::queued;
  std::exception_ptr error_;
  std::shared_ptr<void> kept_;  // until it begins
  std::vector<std::function<void()>> listeners_;
};

}  // namespace greenlane::runtime

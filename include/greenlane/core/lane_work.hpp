// Work that was submitted to a lane.
#pragma once

#include <chrono>
#include <exception>
#include <memory>

namespace greenlane {

namespace detail {
struct Access;
class LaneState;
class WorkerTask;
}  // namespace detail

/// One piece of work that Lane::submit() handed to a lane.
///
/// Lifetime: holds the lane. If it is destroyed before the work is done, queued work is dropped; work under way
/// continues and holds the lane itself.
/// Thread safety: all members may be called from any thread.
class LaneWork {
 public:
  /// Takes the work from another handle, which then has none.
  LaneWork(LaneWork&& other) noexcept;
  /// Lets go of the present work and takes the other's.
  LaneWork& operator=(LaneWork&& other) noexcept;
  LaneWork(const LaneWork&) = delete;
  LaneWork& operator=(const LaneWork&) = delete;
  ~LaneWork();

  /// Waits until the work is done, or for `time` at most. Returns whether it is done.
  /// Throws: StreamError in a process that was forked since.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const;
  /// Drops the work if it has not begun. Returns true if it is dropped or done.
  [[nodiscard]] bool cancel() const noexcept;
  /// Waits until the work is done.
  /// Throws: what the work threw; StreamError in a process that was forked since.
  void get() const;

 private:
  friend struct detail::Access;
  LaneWork(std::shared_ptr<detail::LaneState> lane, std::shared_ptr<detail::WorkerTask> task, std::exception_ptr error);
  void let_go() noexcept;
  std::shared_ptr<detail::LaneState> lane_;
  std::shared_ptr<detail::WorkerTask> task_;  // null: the work has run in place
  std::exception_ptr error_;                  // of work that has run in place
};

}  // namespace greenlane

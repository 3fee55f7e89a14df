// Work that was submitted to a lane.
#pragma once

#include <chrono>
#include <exception>
#include <memory>

namespace greenlane {

namespace detail {
class LaneState;
class WorkerTask;
}  // namespace detail

// One piece of work that Lane::submit() handed to a lane.
//
// Lifetime: holds the lane. Where it goes before the work is done, work that is queued is dropped, and work under way
// goes on by itself and holds the lane in its place. Thread safety: all members.
class LaneWork {
 public:
  LaneWork(LaneWork&& other) noexcept;
  LaneWork& operator=(LaneWork&& other) noexcept;
  LaneWork(const LaneWork&) = delete;
  LaneWork& operator=(const LaneWork&) = delete;
  ~LaneWork();

  // Whether it is done, after this time at most. Throws StreamError in a process that was forked since.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const;
  // Drops it where it has not begun. Returns whether it is over: dropped, or done.
  [[nodiscard]] bool cancel() const noexcept;
  // Waits until it is done. Throws what the work threw, and StreamError in a process that was forked since.
  void get() const;

 private:
  friend class Lane;
  LaneWork(std::shared_ptr<detail::LaneState> lane, std::shared_ptr<detail::WorkerTask> task, std::exception_ptr error);
  void let_go() noexcept;
  std::shared_ptr<detail::LaneState> lane_;
  std::shared_ptr<detail::WorkerTask> task_;  // null: it was done in place
  std::exception_ptr error_;                  // of what was done in place
};

}  // namespace greenlane

#include "core/cpu/worker.hpp"
#include "core/lane_state.hpp"

#include <greenlane/core/lane_work.hpp>

#include <utility>

namespace greenlane {

LaneWork::LaneWork(std::shared_ptr<detail::LaneState> lane, std::shared_ptr<detail::WorkerTask> task,
                   std::exception_ptr error)
    : lane_(std::move(lane)), task_(std::move(task)), error_(std::move(error)) {}

LaneWork::LaneWork(LaneWork&& other) noexcept = default;

LaneWork& LaneWork::operator=(LaneWork&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  lane_ = std::move(other.lane_);
  task_ = std::move(other.task_);
  error_ = std::move(other.error_);
  return *this;
}

LaneWork::~LaneWork() { let_go(); }

void LaneWork::let_go() noexcept {
  if (task_) task_->let_go(lane_);
}

bool LaneWork::wait_for(std::chrono::nanoseconds time) const { return !task_ || task_->wait_for(time); }

bool LaneWork::cancel() const noexcept { return !task_ || task_->cancel(); }

void LaneWork::get() const {
  if (error_) std::rethrow_exception(error_);
  if (!task_) return;
  task_->wait();
  task_->rethrow();
}

}  // namespace greenlane

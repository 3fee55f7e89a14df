#include "runtime/serving/miss_reports.hpp"

#include <greenlane/core/log.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace greenlane::runtime {

MissReports::MissReports(std::function<void(const Miss&)> listener) : state_(std::make_shared<State>()) {
  state_->listener = std::move(listener);
  thread_ = std::thread([state = state_] { deliver(state); });
}

MissReports::~MissReports() {
  bool has_ended = false;
  {
    std::unique_lock lock(state_->mutex);
    state_->is_ending = true;
    state_->changed.notify_all();
    const bool is_here = thread_.get_id() == std::this_thread::get_id();  // the listener ends the reports
    has_ended = !is_here && state_->changed.wait_for(lock, std::chrono::seconds(1), [&] { return state_->has_ended; });
  }
  if (has_ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void MissReports::add(const Miss& miss) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->waiting.size() >= kMost) return;
    state_->waiting.push_back(miss);
  }
  state_->changed.notify_one();
}

void MissReports::deliver(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->changed.wait(lock, [&] { return state->is_ending || !state->waiting.empty(); });
    if (state->is_ending) break;
    const auto miss = std::move(state->waiting.front());
    state->waiting.pop_front();
    lock.unlock();
    try {
      state->listener(miss);
    } catch (const std::exception& error) {
      warn("the listener for misses of engine '" + miss.engine + "' failed: " + error.what());
    }
    lock.lock();
  }
  state->has_ended = true;
  state->changed.notify_all();
}

}  // namespace greenlane::runtime

#include "core/cuda/capture_mode.hpp"
#include "core/device_state.hpp"
#include "core/gates/urgent_timings.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <algorithm>
#include <utility>

namespace greenlane {

UrgentEngine::UrgentEngine(const Device& device, std::chrono::nanoseconds deadline)
    : gate_(Gate::of(device)),
      limit_(kMostDeadlines * deadline),
      timings_(new UrgentTimings(device, deadline)),
      device_(device) {}

UrgentEngine::~UrgentEngine() = default;

UrgentEngine::Call UrgentEngine::enter(UnitSetId units, std::optional<StreamView> stream) {
  const auto works = gate_->work_on(units);
  const auto beside = timings_->beside(units, works);
  Call call(*this, Gate::close(gate_, units, limit_, beside));
  take_over_expected();
  if (stream) call.timing_ = timings_->begin(works, beside, *stream);
  return call;
}

// Ends the oldest expected call whose time has come.
void UrgentEngine::take_over_expected() {
  const std::scoped_lock lock(mutex_);
  const auto now = Gate::Clock::now();
  std::erase_if(expected_, [&](const Expected& call) { return call.from + limit_ <= now; });
  const auto due = std::ranges::min_element(expected_, {}, &Expected::from);
  if (due != expected_.end() && due->from <= now) expected_.erase(due);
}

void UrgentEngine::expect(UnitSetId units, Gate::Clock::time_point from) {
  auto pass = Gate::expect(gate_, units, limit_, from, timings_->short_for(units, gate_->work_on(units)));
  const std::scoped_lock lock(mutex_);
  expected_.push_back({.from = from, .pass = std::move(pass)});
}

std::shared_ptr<detail::EventBackend> UrgentEngine::take_event() {
  const std::scoped_lock lock(mutex_);
  const auto is_free = [](const auto& event) { return event.use_count() == 1; };
  const auto event = std::ranges::find_if(events_, is_free);
  if (event != events_.end()) return *event;
  return events_.emplace_back(detail::Access::state(device_)->make_event());
}

void UrgentEngine::Call::enqueued(StreamView stream) {
  if (timing_) std::exchange(timing_, nullptr)->end(stream);
  auto taken = engine_.take_event();
  taken->record(stream);
  pass_.value().enqueued([event = std::move(taken)] {
    try {
      return event->is_done();
    } catch (const DriverError& error) {
      // Otherwise the device is lost, and nobody needs to wait for this call.
      return !detail::is_capture_error(error.code());
    }
  });
  pass_.reset();
}

}  // namespace greenlane

#include "core/gates/urgent_timings.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/short_call.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace greenlane {
namespace {

using detail::PassWay;

// Calls whose median is taken for the time of a call.
constexpr std::size_t kEnough = 32;
// Work that has not launched for so long does not run now, so nothing is learnt about it.
constexpr auto kIdle = std::chrono::milliseconds(100);

bool contains(const Gate::Beside& beside, const std::shared_ptr<GatedWork>& work) {
  return std::ranges::find(beside, work.get()) != beside.end();
}

}  // namespace

bool UrgentTimings::is_short_for(const GatedWork& work) const {
  return usual_.count() > 0 && is_short_call(usual_, work.in_flight(), deadline_);
}

detail::PassChoice& UrgentTimings::choice_of(const std::shared_ptr<GatedWork>& work) {
  std::erase_if(pairs_, [](const Pair& pair) { return pair.work.expired(); });
  const auto found = std::ranges::find_if(pairs_, [&](const Pair& pair) { return pair.work.lock() == work; });
  if (found != pairs_.end()) return found->choice;
  return pairs_.emplace_back(Pair{.work = work, .choice = detail::PassChoice(deadline_)}).choice;
}

Gate::Beside UrgentTimings::beside(UnitSetId units, const Works& works) {
  Gate::Beside found;
  const std::scoped_lock lock(mutex_);
  read_ended(works);
  if (units != units_) {
    units_ = units;
    first_.clear();
    usual_ = std::chrono::nanoseconds(0);
    pairs_.clear();
  }
  // All choices that are not made are tried in one way, so that a call teaches something about each of them. The way is
  // drawn, because calls that differ in turns must not be tried in turns.
  const auto tried = random_() % 2 == 0 ? PassWay::hold : PassWay::beside;
  for (const auto& work : works) {
    if (!is_short_for(*work)) continue;
    const auto& choice = choice_of(work);
    if ((choice.is_made() ? choice.chosen() : tried) == PassWay::beside) found.push_back(work.get());
  }
  return found;
}

Gate::Beside UrgentTimings::short_for(UnitSetId units, const Works& works) const {
  Gate::Beside found;
  const std::scoped_lock lock(mutex_);
  if (units != units_) return found;
  for (const auto& work : works) {
    if (is_short_for(*work)) found.push_back(work.get());
  }
  return found;
}

std::shared_ptr<UrgentTiming> UrgentTimings::begin(const Works& works, const Gate::Beside& beside, StreamView stream) {
  constexpr std::size_t kMost = 8;  // under way
  const std::scoped_lock lock(mutex_);
  const auto now = Gate::Clock::now();
  const auto teaches = [&](const auto& work) {
    return is_short_for(*work) && !choice_of(work).is_made() && now - work->last_launch() < kIdle;
  };
  if (works.empty() || under_way_.size() >= kMost) return nullptr;
  if (usual_.count() > 0 && std::ranges::none_of(works, teaches)) return nullptr;
  std::shared_ptr<UrgentTiming> timing;
  if (free_.empty()) {
    auto& device = *detail::Access::state(device_);
    timing = std::make_shared<UrgentTiming>(device.make_timed_event(), device.make_timed_event());
  } else {
    timing = std::move(free_.back());
    free_.pop_back();
  }
  timing->is_ended_.store(false, std::memory_order_relaxed);
  timing->entered_ = now;
  timing->beside_ = beside;
  timing->begin_->record(stream);
  under_way_.push_back(timing);
  return timing;
}

void UrgentTimings::read_ended(const Works& works) {
  std::erase_if(under_way_, [&](const auto& timing) {
    const bool is_left = timing.use_count() == 1;  // the call is over, also after an exception
    if (!is_left) return false;
    try {
      if (timing->is_ended_.load(std::memory_order_acquire)) {
        if (!timing->end_->is_done()) return false;
        learn(*timing, timing->end_->since(*timing->begin_), works);
      }
    } catch (const DriverError& error) {
      // A capture in this thread, or a lost device: the call teaches nothing.
      debug(std::string("an urgent call was not timed: ") + error.what());
    }
    free_.push_back(timing);
    return true;
  });
}

void UrgentTimings::learn(const UrgentTiming& timing, std::chrono::nanoseconds time, const Works& works) {
  if (usual_.count() == 0) {
    first_.push_back(time);
    if (first_.size() < kEnough) return;
    const auto middle = first_.begin() + kEnough / 2;
    std::ranges::nth_element(first_, middle);
    usual_ = std::max(*middle, std::chrono::nanoseconds(1));
    return;
  }
  for (const auto& work : works) {
    if (!is_short_for(*work) || work->last_launch() < timing.entered_) continue;
    choice_of(work).add(contains(timing.beside_, work) ? PassWay::beside : PassWay::hold, time);
  }
}

}  // namespace greenlane

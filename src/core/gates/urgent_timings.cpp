#include "core/gates/urgent_timings.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/short_call.hpp>

#include <algorithm>
#include <utility>

namespace greenlane {
namespace {

using detail::PassWay;

// Calls after which the shortest one is taken for the time of a call that nothing disturbs.
constexpr std::size_t kEnough = 32;

bool contains(const Gate::Beside& beside, const std::shared_ptr<GatedWork>& work) {
  return std::ranges::find(beside, work.get()) != beside.end();
}

}  // namespace

bool UrgentTimings::is_short_for(const GatedWork& work) const {
  return timed_ >= kEnough && is_short_call(shortest_, work.in_flight(), deadline_);
}

detail::PassChoice& UrgentTimings::choice_of(const std::shared_ptr<GatedWork>& work) {
  std::erase_if(pairs_, [](const Pair& pair) { return pair.work.expired(); });
  const auto found = std::ranges::find_if(pairs_, [&](const Pair& pair) { return pair.work.lock() == work; });
  return found != pairs_.end() ? found->choice : pairs_.emplace_back(Pair{.work = work, .choice = {}}).choice;
}

Gate::Beside UrgentTimings::beside(const Works& works) {
  Gate::Beside found;
  const std::scoped_lock lock(mutex_);
  read_ended(works);
  for (const auto& work : works) {
    if (is_short_for(*work) && choice_of(work).next() == PassWay::beside) found.push_back(work.get());
  }
  return found;
}

Gate::Beside UrgentTimings::short_for(const Works& works) const {
  Gate::Beside found;
  const std::scoped_lock lock(mutex_);
  for (const auto& work : works) {
    if (is_short_for(*work)) found.push_back(work.get());
  }
  return found;
}

std::shared_ptr<UrgentTiming> UrgentTimings::begin(const Works& works, const Gate::Beside& beside, StreamView stream) {
  constexpr std::size_t kMost = 8;  // under way
  const std::scoped_lock lock(mutex_);
  const auto teaches = [&](const auto& work) { return is_short_for(*work) && !choice_of(work).is_made(); };
  if (works.empty() || under_way_.size() >= kMost) return nullptr;
  if (timed_ >= kEnough && std::ranges::none_of(works, teaches)) return nullptr;
  std::shared_ptr<UrgentTiming> timing;
  if (free_.empty()) {
    auto& device = *detail::Access::state(device_);
    timing = std::make_shared<UrgentTiming>(device.make_timed_event(), device.make_timed_event());
  } else {
    timing = std::move(free_.back());
    free_.pop_back();
  }
  timing->is_ended_ = false;
  timing->entered_ = Gate::Clock::now();
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
      if (timing->is_ended_) {
        if (!timing->end_->is_done()) return false;
        learn(*timing, timing->end_->since(*timing->begin_), works);
      }
    } catch (const DriverError&) {  // a capture in this thread, or a lost device: nothing is learnt
    }
    free_.push_back(timing);
    return true;
  });
}

void UrgentTimings::learn(const UrgentTiming& timing, std::chrono::nanoseconds time, const Works& works) {
  ++timed_;
  shortest_ = std::min(shortest_, time);
  Works active;
  std::ranges::copy_if(works, std::back_inserter(active),
                       [&](const auto& work) { return work->last_launch() >= timing.entered_ && is_short_for(*work); });
  const auto passed = [&](const auto& work) { return contains(timing.beside_, work); };
  if (std::ranges::all_of(active, passed) || std::ranges::none_of(active, passed)) {
    const auto way = !active.empty() && passed(active.front()) ? PassWay::beside : PassWay::hold;
    for (const auto& work : active) choice_of(work).add(way, time);
  }
}

}  // namespace greenlane

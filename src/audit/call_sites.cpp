#include "audit/call_sites.hpp"

#include "core/cuda/contexts.hpp"

#include <greenlane/core/log.hpp>

#include <string>
#include <utility>

namespace greenlane::audit {

CallSites& CallSites::instance() {
  static auto* const one = new CallSites;  // never destroyed: engines in static storage may still be called
  return *one;
}

void CallSites::begin(Recorder& recorder) {
  {
    const std::scoped_lock lock(mutex_);
    numbers_.clear();
    contents_ = {};
  }
  recorder_.store(&recorder, std::memory_order_release);
  set_call_observer(this);
}

void CallSites::end() {  // NOLINT(readability-convert-member-functions-to-static): begin()'s other half
  set_call_observer(nullptr);
}

CallSites::Contents CallSites::take() {
  const std::scoped_lock lock(mutex_);
  numbers_.clear();
  return std::exchange(contents_, {});
}

void CallSites::entered(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept {
  std::uint32_t site = 0;
  try {
    site = find(binding, lane);
  } catch (const std::exception& error) {
    warn(std::string("the audit missed a call: ") + error.what());
  }
  if (auto* recorder = recorder_.load(std::memory_order_acquire)) recorder->push(site);
}

void CallSites::left() noexcept {
  if (auto* recorder = recorder_.load(std::memory_order_acquire)) recorder->pop();
}

std::uint32_t CallSites::find(const StreamBinding& binding, const std::optional<Lane>& lane) {
  const std::int64_t stream = lane ? lane->stream().value() : 0;
  const std::scoped_lock lock(mutex_);
  auto& number = numbers_[{&binding, lane ? lane->unit_set() : UnitSetId{}, stream, binding.owner()}];
  if (number == 0) {
    CallSite site{.engine = binding.owner(), .lane = {}};
    if (lane) site.lane = SiteLane{.name = lane->name(), .units = lane->units().count, .context = {}};
    contents_.sites.push_back(std::move(site));
    contents_.devices.insert(binding.device().id().index);
    number = static_cast<std::uint32_t>(contents_.sites.size());
  }
  auto& site = contents_.sites[number - 1];
  ++site.calls;
  // Asks while the lane lives, and asks again where a capture was under way.
  if (lane && site.lane && !site.lane->context) {
    const auto context = detail::context_of(lane->stream());
    auto* const recorder = recorder_.load(std::memory_order_acquire);
    if (context && recorder) site.lane->context = recorder->number_of(context->context);
  }
  return number;
}

}  // namespace greenlane::audit

#include "core/device_state.hpp"

#include <greenlane/core/urgent.hpp>

#include <utility>

namespace greenlane {

UrgentEngine::UrgentEngine(const Device& device, std::chrono::nanoseconds limit)
    : gate_(Gate::of(device)), limit_(limit), event_(device.state_->make_event()) {}

UrgentEngine::~UrgentEngine() = default;

UrgentEngine::Call UrgentEngine::enter(std::uint64_t place) {
  auto pass = Gate::close(gate_, place, limit_);
  const std::scoped_lock lock(mutex_);
  expected_.reset();
  return {*this, std::move(pass)};
}

void UrgentEngine::expect(std::uint64_t place) {
  auto pass = Gate::expect(gate_, place, limit_);
  const std::scoped_lock lock(mutex_);
  expected_.emplace(std::move(pass));
}

void UrgentEngine::Call::enqueued(StreamView stream) {
  engine_.event_->record(stream);
  pass_.value().enqueued([event = engine_.event_] {
    try {
      return event->is_done();
    } catch (const std::exception&) {
      return true;  // the device is lost: nobody is to wait for it
    }
  });
  pass_.reset();
}

}  // namespace greenlane

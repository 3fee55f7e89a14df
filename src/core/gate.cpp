#include <greenlane/core/gate.hpp>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

namespace greenlane {
std::shared_ptr<Gate> Gate::of(const Device& device) {
  struct Gates {
    std::mutex mutex;
    std::map<DeviceId, std::shared_ptr<Gate>> by_device;
  };
  static auto* all = new Gates;  // never destroyed: engines in static storage may still be called
  const std::scoped_lock lock(all->mutex);
  auto& gate = all->by_device[device.id()];
  if (!gate) gate = std::make_shared<Gate>();
  return gate;
}

Gate::Pass Gate::close(const std::shared_ptr<Gate>& gate, std::uint64_t place, std::chrono::nanoseconds limit) {
  const std::scoped_lock lock(gate->mutex_);
  const auto number = gate->next_++;
  const auto now = Clock::now();
  gate->calls_.push_back({.number = number, .place = place, .begin = now, .limit = now + limit, .is_done = {}});
  ++gate->report_.passes;
  gate->calls_under_way_.fetch_add(1, std::memory_order_seq_cst);
  return {gate, number};
}

void Gate::Pass::enqueued(std::function<bool()> is_done) {
  const auto gate = std::exchange(gate_, nullptr);
  if (!gate) return;
  const std::scoped_lock lock(gate->mutex_);
  const auto call = std::ranges::find(gate->calls_, number_, &Call::number);
  if (call != gate->calls_.end()) call->is_done = std::move(is_done);  // else it was past its limit
}

Gate::Pass::~Pass() {
  if (gate_) gate_->open(number_);
}

void Gate::open(std::uint64_t number) {
  {
    const std::scoped_lock lock(mutex_);
    const auto call = std::ranges::find(calls_, number, &Call::number);
    if (call == calls_.end()) return;
    note_end(*call, Clock::now());
    calls_.erase(call);
    calls_under_way_.fetch_sub(1, std::memory_order_seq_cst);
  }
  opened_.notify_all();
}

void Gate::settle(Clock::time_point now) {
  const auto gone = std::erase_if(calls_, [&](const Call& call) {
    const bool is_done = call.is_done && call.is_done();
    if (!is_done && now < call.limit) return false;
    if (!is_done) ++report_.limits_hit;
    note_end(call, now);
    return true;
  });
  calls_under_way_.fetch_sub(static_cast<int>(gone), std::memory_order_seq_cst);
}

void Gate::note_end(const Call& call, Clock::time_point now) {
  if (log_) log_->add({.begin = call.begin, .end = now});
}

bool Gate::holds(std::uint64_t place) const {
  return std::ranges::any_of(calls_, [&](const Call& call) { return share_units(call.place, place); });
}

bool Gate::is_open(std::uint64_t place) {
  if (calls_under_way_.load(std::memory_order_seq_cst) == 0) return true;
  const std::scoped_lock lock(mutex_);
  if (!holds(place)) return true;
  settle(Clock::now());
  return !holds(place);
}

// Of many threads that wait, one asks the device; the others would stand in the way of the next urgent call.
bool Gate::try_is_open(std::uint64_t place) {
  if (calls_under_way_.load(std::memory_order_seq_cst) == 0) return true;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return false;
  if (!holds(place)) return true;
  settle(Clock::now());
  return !holds(place);
}

std::chrono::nanoseconds Gate::wait(std::uint64_t place, GateWait how) {
  // How often a sleeping thread looks whether the device is done, which nobody tells it.
  constexpr auto kLook = std::chrono::microseconds(20);
  if (is_open(place)) return std::chrono::nanoseconds(0);
  const auto begin = Clock::now();
  while (!try_is_open(place)) {
    if (how == GateWait::spin) {
      std::this_thread::yield();
      continue;
    }
    std::unique_lock lock(mutex_);
    if (holds(place)) opened_.wait_for(lock, kLook);
  }
  const std::chrono::nanoseconds held = Clock::now() - begin;
  const std::scoped_lock lock(mutex_);
  ++report_.held;
  report_.held_time += held;
  report_.longest_held = std::max(report_.longest_held, held);
  return held;
}

GateReport Gate::report() const {
  const std::scoped_lock lock(mutex_);
  return report_;
}

void Gate::set_log(std::shared_ptr<SpanLog> log) {
  const std::scoped_lock lock(mutex_);
  log_ = std::move(log);
}

void Gate::reset_report() {
  const std::scoped_lock lock(mutex_);
  report_ = {};
}

}  // namespace greenlane

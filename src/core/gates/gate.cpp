#include "core/spin.hpp"

#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/core/process.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace greenlane {
namespace {

// Locks what is only held for a few instructions. A thread that sleeps takes far longer to wake up than that, and an
// urgent call must not wait so long for a best-effort thread that looks at the gate.
std::unique_lock<std::mutex> lock_soon(std::mutex& mutex) {
  constexpr int kTries = 200;
  for (int i = 0; i < kTries; ++i) {
    if (std::unique_lock lock(mutex, std::try_to_lock); lock) return lock;
    detail::pause();
  }
  return std::unique_lock(mutex);
}

}  // namespace

std::shared_ptr<Gate> Gate::of(const Device& device) {
  struct Gates {
    std::mutex mutex;
    std::map<DeviceId, std::shared_ptr<Gate>> by_device;
  };
  static detail::PerProcess<Gates> in_all;  // never destroyed: engines in static storage may still be called
  auto& all = in_all.get();
  const std::scoped_lock lock(all.mutex);
  auto& gate = all.by_device[device.id()];
  if (!gate) gate = std::make_shared<Gate>();
  return gate;
}

Gate::Pass Gate::close(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit,
                       Beside beside) {
  return add(gate, units, limit, false, Clock::now(), std::move(beside));
}

Gate::Pass Gate::expect(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit,
                        Clock::time_point from, Beside beside) {
  return add(gate, units, limit, true, from, std::move(beside));
}

Gate::Pass Gate::add(const std::shared_ptr<Gate>& gate, UnitSetId units, std::chrono::nanoseconds limit,
                     bool is_expected, Clock::time_point begin, Beside beside) {
  // Without best-effort engines that ask, no other thread removes finished calls.
  constexpr std::size_t kMany = 16;
  auto lock = lock_soon(gate->mutex_);
  const auto number = gate->next_++;
  if (!is_expected) {
    ++gate->report_.passes;
    if (!beside.empty()) ++gate->report_.beside;
  }
  gate->calls_.push_back({.number = number,
                          .units = units,
                          .begin = begin,
                          .limit = begin + limit,
                          .is_expected = is_expected,
                          .beside = std::move(beside),
                          .is_done = nullptr});
  gate->calls_under_way_.fetch_add(1, std::memory_order_seq_cst);
  gate->changes_.fetch_add(1, std::memory_order_seq_cst);
  const bool are_many = gate->calls_.size() % kMany == 0;
  lock.unlock();
  if (are_many) {
    const std::unique_lock asking(gate->asking_, std::try_to_lock);
    if (asking) gate->settle();
  }
  return {gate, number};
}

void Gate::Pass::enqueued(std::function<bool()> is_done) {
  const auto gate = std::exchange(gate_, nullptr);
  if (!gate) return;
  auto shared = std::make_shared<const std::function<bool()>>(std::move(is_done));
  const auto lock = lock_soon(gate->mutex_);
  const auto call = std::ranges::find(gate->calls_, number_, &Call::number);
  if (call != gate->calls_.end()) call->is_done = std::move(shared);  // else it was past its limit
}

Gate::Pass::~Pass() {
  if (gate_) gate_->open(number_);
}

void Gate::open(std::uint64_t number) {
  {
    const auto lock = lock_soon(mutex_);
    const auto call = std::ranges::find(calls_, number, &Call::number);
    if (call == calls_.end()) return;
    left(*call, Clock::now());
    calls_.erase(call);
  }
  opened_.notify_all();
}

void Gate::left(const Call& call, Clock::time_point now) {
  const bool holds_some = call.beside.size() < works_.size() || works_.empty();
  if (log_ && holds_some && call.begin < now) log_->add({.begin = call.begin, .end = now});
  calls_under_way_.fetch_sub(1, std::memory_order_seq_cst);
  changes_.fetch_add(1, std::memory_order_seq_cst);
}

void Gate::settle() {
  {
    const auto lock = lock_soon(mutex_);
    asked_.clear();
    for (const auto& call : calls_) {
      if (call.is_done) asked_.push_back({.number = call.number, .is_done = call.is_done});
    }
  }
  std::erase_if(asked_, [](const Asked& call) { return !(*call.is_done)(); });
  bool is_any_gone = false;
  {
    const auto lock = lock_soon(mutex_);
    const auto now = Clock::now();
    is_any_gone = std::erase_if(calls_, [&](const Call& call) {
                    const bool is_done = std::ranges::find(asked_, call.number, &Asked::number) != asked_.end();
                    if (!is_done && now < call.limit) return false;
                    if (!is_done && !call.is_expected) ++report_.limits_hit;
                    left(call, now);
                    return true;
                  }) > 0;
  }
  asked_.clear();
  if (is_any_gone) opened_.notify_all();
}

void Gate::join(const std::shared_ptr<GatedWork>& work) {
  const auto lock = lock_soon(mutex_);
  std::erase_if(works_, [](const auto& each) { return each.expired(); });
  works_.push_back(work);
}

std::vector<std::shared_ptr<GatedWork>> Gate::work_on(UnitSetId units) {
  std::vector<std::shared_ptr<GatedWork>> found;
  const auto lock = lock_soon(mutex_);
  for (const auto& each : works_) {
    if (auto work = each.lock(); work && work->units().overlaps(units)) found.push_back(std::move(work));
  }
  return found;
}

bool Gate::holds(UnitSetId units, const GatedWork* work) const {
  const auto lock = lock_soon(mutex_);
  const auto now = Clock::now();
  return std::ranges::any_of(calls_, [&](const Call& call) {
    return call.begin <= now && call.units.overlaps(units) && std::ranges::find(call.beside, work) == call.beside.end();
  });
}

bool Gate::is_open(UnitSetId units, const GatedWork* work) {
  if (calls_under_way_.load(std::memory_order_seq_cst) == 0 || !holds(units, work)) return true;
  {
    const std::scoped_lock asking(asking_);
    settle();
  }
  return !holds(units, work);
}

std::chrono::nanoseconds Gate::wait(UnitSetId units, GateWait how, const GatedWork* work) {
  // The intervals at which a thread asks the device, which does not notify it. In between it leaves the driver and the
  // gate to the urgent call.
  constexpr auto kLook = std::chrono::microseconds(20);  // asleep
  constexpr auto kSpin = std::chrono::microseconds(3);
  if (is_open(units, work)) return std::chrono::nanoseconds(0);
  const auto begin = Clock::now();
  detail::Spin spin;
  while (true) {
    const auto changes = changes_.load(std::memory_order_seq_cst);
    if (!holds(units, work)) break;
    do {
      {
        const std::unique_lock asking(asking_, std::try_to_lock);
        if (asking) settle();
      }
      if (changes_.load(std::memory_order_seq_cst) != changes) break;
      if (how == GateWait::spin) {
        const auto end = Clock::now() + kSpin;
        while (changes_.load(std::memory_order_seq_cst) == changes && Clock::now() < end) spin.pause();
      } else {
        std::unique_lock lock(mutex_);
        if (changes_.load(std::memory_order_seq_cst) == changes) opened_.wait_for(lock, kLook);
      }
    } while (changes_.load(std::memory_order_seq_cst) == changes);
  }
  const std::chrono::nanoseconds held = Clock::now() - begin;
  const auto lock = lock_soon(mutex_);
  ++report_.held;
  report_.held_time += held;
  report_.longest_held = std::max(report_.longest_held, held);
  return held;
}

GateReport Gate::report() const {
  const auto lock = lock_soon(mutex_);
  return report_;
}

void Gate::set_log(std::shared_ptr<SpanLog> log) {
  const auto lock = lock_soon(mutex_);
  log_ = std::move(log);
}

void Gate::reset_report() {
  const auto lock = lock_soon(mutex_);
  report_ = {};
}

}  // namespace greenlane

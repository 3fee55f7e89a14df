#include "core/device_state.hpp"
#include "core/graphs/callers_graph.hpp"
#include "core/graphs/capture_scope.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/access.hpp>

#include <atomic>
#include <ranges>
#include <utility>
#include <vector>

namespace greenlane {

namespace {

std::atomic<bool> passthrough{false};

}  // namespace

bool engine_stream_passthrough() noexcept { return passthrough.load(std::memory_order_acquire); }
void set_engine_stream_passthrough(bool on) noexcept { passthrough.store(on, std::memory_order_release); }

// The events of a binding, made at the first call that needs them. A binding whose stream is always the caller's costs
// no events.
struct StreamBinding::Events {
  explicit Events(detail::DeviceState& device)
      : fork(device.make_event()), join(device.make_event()), tail(device.make_event()) {}
  std::unique_ptr<detail::EventBackend> fork;
  std::unique_ptr<detail::EventBackend> join;
  std::unique_ptr<detail::EventBackend> tail;
};

StreamBinding::StreamBinding(Device device, std::string owner) : device_(std::move(device)), owner_(std::move(owner)) {}

StreamBinding::~StreamBinding() = default;

StreamBinding::Events& StreamBinding::events() {
  if (!events_) events_ = std::make_unique<Events>(*detail::Access::state(device_));
  return *events_;
}

void StreamBinding::set(const Lane& lane) {
  lane.require_here();
  follow_fork(lane.device());
  if (lane.device() != device_) {
    throw StreamError(
        {.what = "'" + owner_ + "' cannot be bound to lane '" + lane.name() + "'",
         .why = "the engine is on " + to_string(device_.id()) + " and the lane on " + to_string(lane.device().id()),
         .remedy = "use a lane of " + to_string(device_.id())});
  }
  if (lane.is_closed()) {
    throw StreamError({.what = "'" + owner_ + "' cannot be bound to lane '" + lane.name() + "'",
                       .why = "the lane was closed",
                       .remedy = "use a lane that is open"});
  }
  require_bindable();
  replace(lane);
}

void StreamBinding::follow_fork(const Device& device) {
  const std::scoped_lock lock(mutex_);
  if (!detail::Access::state(device_)->origin().is_here() && device.id() == device_.id()) device_ = device;
}

void StreamBinding::set_captured_work(std::shared_ptr<CapturedWork> captured) {
  const std::scoped_lock lock(mutex_);
  captured_.swap(captured);  // the former object is destroyed after the lock is released
}

void StreamBinding::require_bindable() const {
  const std::scoped_lock lock(mutex_);
  if (!captured_) return;
  captured_->require_bindable(owner_);
  captured_->require_movable(owner_);
}

void StreamBinding::clear() { replace(std::nullopt); }

void StreamBinding::replace(std::optional<Lane> lane) {
  // Destroyed after the lock is released: a CPU lane's worker may need the lock to finish.
  std::optional<Lane> former;
  std::optional<Lane> former_beside;
  std::shared_ptr<void> dropped;
  std::string warning;  // given after the lock is released, because it may go to Python's logging
  {
    const std::scoped_lock lock(mutex_);
    if (lane_ && entered_ && lane_ != lane && device_.id().kind == DeviceKind::cuda) {
      events().tail->record(lane_->stream());  // NOLINT(bugprone-unchecked-optional-access): checked above
      tail_pending_ = true;
    }
    entered_ = entered_ && lane_ == lane;
    former = std::exchange(lane_, std::move(lane));
    if (beside_ && (!lane_ || lane_->unit_set() != beside_->unit_set()))
      former_beside = std::exchange(beside_, std::nullopt);
    if (captured_) dropped = captured_->rebound(lane_);
    if (callers_graphs_) warning = callers_graphs_->take_warning(owner_, lane_);
    generation_->fetch_add(1, std::memory_order_acq_rel);
  }
  if (!warning.empty()) warn(warning);
}

std::optional<Lane> StreamBinding::lane() const {
  const std::scoped_lock lock(mutex_);
  return lane_;
}

std::optional<StreamView> StreamBinding::stream() const {
  const auto bound = lane();
  if (!bound || device_.id().kind == DeviceKind::cpu) return std::nullopt;
  return bound->stream();
}

bool StreamBinding::is_set() const {
  const std::scoped_lock lock(mutex_);
  return lane_.has_value();
}

std::uint64_t StreamBinding::generation() const { return generation_->load(std::memory_order_acquire); }

std::vector<FormerBinding> bind_all(std::span<const BindingRequest> requests) {
  std::vector<FormerBinding> former;
  former.reserve(requests.size());
  for (const auto& [binding, lane] : requests) {
    FormerBinding before{.binding = binding, .lane = binding->lane()};
    try {
      binding->set(lane);
    } catch (...) {
      restore_all(former);
      throw;
    }
    former.push_back(std::move(before));
  }
  return former;
}

void restore_all(std::span<const FormerBinding> former) noexcept {
  // In reverse order, because one binding may be named twice.
  for (const auto& [binding, lane] : std::views::reverse(former)) {
    try {
      detail::Access::replace(*binding, lane);
    } catch (const std::exception& error) {
      warn(std::string("a binding could not be put back: ") + error.what());
    }
  }
}

StreamBinding::Call::Call(StreamBinding& binding, StreamView caller)
    : binding_(binding), lock_(binding.mutex_), lane_(binding.lane_), caller_(caller), stream_(caller) {
  if (const auto& origin = detail::Access::state(binding.device_)->origin(); !origin.is_here())
    origin.require_here("engine '" + binding.owner_ + "'");
  detail::CaptureScope::note(binding, binding.generation_);
  if (lane_) {
    if (binding.captured_) binding.captured_->require_bindable(binding.owner_);
    source_ = StreamSource::bound;
    stream_ = lane_->stream();
    if (is_capturing(caller)) enter_capture();
  } else if (engine_stream_passthrough()) {
    source_ = StreamSource::passthrough;
  }
  observed_.begin(binding, binding.lane_);
  if (captured_) return;
  // A graph cannot wait for work outside it. The next call outside a graph waits instead.
  if (binding.tail_pending_ && !is_capturing(stream_)) {
    auto& tail = *binding.events().tail;
    tail.make_wait(stream_);
    // Unbound calls may come on any number of streams. Each of these streams must wait until the tail is done.
    binding.tail_pending_ = !lane_ && !tail.is_done();
  }
  if (!lane_) {
    lock_.unlock();
    return;
  }
  binding.entered_ = true;
  fork();
}

bool StreamBinding::Call::is_capturing(StreamView stream) const {
  return !stream.is_default() && detail::Access::state(binding_.device_)->is_capturing(stream);
}

// Earlier work, on whatever stream, is not part of the graph, so the graph has nothing else to wait for.
void StreamBinding::Call::enter_capture() {
  captured_ = true;
  if (crosses()) {
    lane_ = binding_.prepare_capture();
    stream_ = lane_.value().stream();
  }
  detail::CaptureScope::note(lane_.value());
  if (!detail::CaptureScope::captures()) keep_lane_in_graph();
  fork();
}

void StreamBinding::Call::keep_lane_in_graph() {
  auto& device = *detail::Access::state(binding_.device_);
  const auto& lane = lane_.value();
  const auto capture = device.capture_of(caller_);
  auto& graphs = binding_.callers_graphs_;
  if (!capture || (graphs && graphs->has(*capture, lane.unit_set()))) return;
  auto graph =
      std::make_shared<detail::CallersGraph>(*capture, lane.unit_set(), detail::name_and_size(binding_.lane_.value()));
  device.give_to_capture(caller_, std::make_unique<detail::LaneInGraph>(lane, graph));
  if (!graphs) graphs = std::make_unique<detail::CallersGraphs>();
  graphs->add(std::move(graph));
}

std::optional<Lane> StreamBinding::prepare_capture() {
  const std::scoped_lock lock(mutex_);
  if (lane_ && !beside_) beside_ = lane_->beside();
  return beside_;
}

void StreamBinding::Call::fork() {
  if (crosses()) {
    auto& events = binding_.events();
    events.fork->record(caller_);
    events.fork->make_wait(stream_);
  }
  open_ = true;
}

void StreamBinding::Call::finish() {
  observed_.end();
  if (!std::exchange(open_, false)) return;
  if (crosses()) {
    auto& events = binding_.events();
    events.join->record(stream_);
    events.join->make_wait(caller_);
  }
  if (captured_) {
    lock_.unlock();
    return;
  }
  if (binding_.lane_ == lane_) {
    binding_.entered_ = true;  // also if it was bound elsewhere and back during this call
  } else {
    // Rebound during this call: this call's work counts as the former lane's work, after the work that is pending.
    auto& tail = *binding_.events().tail;
    if (binding_.tail_pending_) tail.make_wait(stream_);
    tail.record(stream_);
    binding_.tail_pending_ = true;
  }
  lock_.unlock();
}

StreamBinding::Call::~Call() {
  try {
    finish();
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the engine's own error is on its way to the caller
  }
  // Before the lane is released: an object that it keeps alive may need another thread that waits for this binding.
  if (lock_.owns_lock()) lock_.unlock();
}

}  // namespace greenlane

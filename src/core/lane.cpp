#include "core/cuda/stream_check.hpp"
#include "core/lane_state.hpp"
#include "core/stream_registry.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/access.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace greenlane {
namespace detail {

LaneState::LaneState(LaneParts parts)
    : name(std::move(parts.name)),
      adopted(parts.adopted),
      device(std::move(parts.device)),
      keep_alive(std::move(parts.keep_alive)),
      partition(std::move(parts.partition)),
      units(std::move(parts.units)),
      backend(std::move(parts.backend)) {}

namespace {

// The owners of adopted streams on which tensors were recorded, once for each stream. Never destroyed, because the
// streams must not be.
struct Owners {
  std::mutex mutex;
  std::map<std::int64_t, std::shared_ptr<const void>> by_stream;
};

Owners& owners() {
  static detail::PerProcess<Owners> all;
  return all.get();
}

}  // namespace

LaneState::~LaneState() {
  const auto stream = backend->stream();
  if (!stream || !adopted || !kept || !keep_alive) return;
  auto& all = owners();
  std::shared_ptr<const void> former;  // released after the lock
  const std::scoped_lock lock(all.mutex);
  former = std::exchange(all.by_stream[stream->value()], keep_alive);
}

void LaneState::close() noexcept {
  closed.store(true, std::memory_order_release);
  if (const auto stream = backend->stream(); stream && !adopted) register_closed(*stream);
}

}  // namespace detail

using detail::Access;
using detail::LaneParts;
using detail::LaneState;

Lane Lane::create(const Partition& partition, const LaneOptions& options) {
  const auto& state = Access::state(partition);
  state->device()->origin().require_here("partition '" + partition.name() + "'");
  std::string name = options.name.empty() ? partition.name() : options.name;
  auto backend = state->device()->make_lane(state->unit_set(), name, options.priority, detail::LaneUse::work);
  return Lane(std::make_shared<LaneState>(LaneParts{.name = std::move(name),
                                                    .device = state->device(),
                                                    .partition = state,
                                                    .units = {},
                                                    .backend = std::move(backend),
                                                    .keep_alive = {}}));
}

Lane Lane::create(const Device& device, const LaneOptions& options) {
  Access::state(device)->origin().require_here("the device " + to_string(device.id()));
  std::string name = options.name.empty() ? to_string(device.id()) : options.name;
  auto backend = Access::state(device)->make_lane(nullptr, name, options.priority, detail::LaneUse::work);
  return Lane(std::make_shared<LaneState>(LaneParts{.name = std::move(name),
                                                    .device = Access::state(device),
                                                    .partition = nullptr,
                                                    .units = {.set = nullptr, .count = device.info().units},
                                                    .backend = std::move(backend),
                                                    .keep_alive = {}}));
}

Lane Lane::adopt(const Device& device, StreamView stream, const LaneOptions& options,
                 std::shared_ptr<const void> keep_alive) {
  std::string name = options.name.empty() ? "stream " + to_string(stream) : options.name;
  detail::check_stream_value(stream);  // first, and without a driver: handles that can never be bound
  Access::state(device)->origin().require_here("the device " + to_string(device.id()));
  auto backend = Access::state(device)->adopt(stream);
  auto units = Access::state(device)->units_of(stream);
  return Lane(std::make_shared<LaneState>(LaneParts{.name = std::move(name),
                                                    .device = Access::state(device),
                                                    .partition = nullptr,
                                                    .units = std::move(units),
                                                    .backend = std::move(backend),
                                                    .keep_alive = std::move(keep_alive),
                                                    .adopted = true}));
}

Lane Lane::beside() const {
  require_here();
  const auto& unit_set = state_->partition ? state_->partition->unit_set() : state_->units.set;
  std::string name = state_->name + " (graphs)";
  auto backend = state_->device->make_lane(unit_set, name, std::nullopt, detail::LaneUse::capture);
  return Lane(std::make_shared<LaneState>(LaneParts{.name = std::move(name),
                                                    .device = state_->device,
                                                    .partition = state_->partition,
                                                    .units = state_->units,
                                                    .backend = std::move(backend),
                                                    .keep_alive = state_->keep_alive}));
}

UnitSetId Lane::unit_set() const noexcept {
  const auto* set = state_->partition ? state_->partition->unit_set().get() : state_->units.set.get();
  return set ? set->id() : UnitSetId{};
}

const std::string& Lane::name() const noexcept { return state_->name; }
Device Lane::device() const { return Access::make<Device>(state_->device); }

std::optional<Partition> Lane::partition() const {
  if (!state_->partition) return std::nullopt;
  return Access::make<Partition>(state_->partition);
}

Units Lane::units() const noexcept { return state_->partition ? state_->partition->units() : state_->units.count; }

StreamView Lane::stream() const {
  if (const auto stream = state_->backend->stream()) return *stream;
  throw StreamError({.what = "lane '" + name() + "' has no stream",
                     .why = "it is a lane of the CPU",
                     .remedy = "run work on it with Lane::run"});
}

bool Lane::is_adopted() const noexcept { return state_->adopted; }

void Lane::run(const std::function<void()>& work) const {
  const auto state = state_;  // the work may drop the last handle, this one
  state->backend->run(work);
}

LaneWork Lane::submit(std::function<void()> work) const {
  const auto state = state_;
  if (auto task = state->backend->submit(work)) return Access::make<LaneWork>(state, std::move(task), nullptr);
  std::exception_ptr error;
  try {
    work();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    error = std::current_exception();
  }
  return Access::make<LaneWork>(state, nullptr, std::move(error));
}

void Lane::synchronize() const {
  require_here();
  state_->backend->synchronize();
}

void Lane::require_here() const { state_->device->origin().require_here("lane '" + name() + "'"); }

void Lane::close() noexcept { state_->close(); }
bool Lane::is_closed() const noexcept { return state_->closed.load(std::memory_order_acquire); }
void Lane::keep_stream() const noexcept {
  state_->kept.store(true, std::memory_order_relaxed);
  state_->backend->keep_stream();
}

const Lane& LaneSet::operator[](std::string_view name) const {
  const auto found = std::ranges::find(lanes_, name, &Lane::name);
  if (found != lanes_.end()) return *found;
  std::string names;
  for (const auto& lane : lanes_) names += (names.empty() ? "" : ", ") + lane.name();
  throw PartitionError(
      {.what = "there is no lane '" + std::string(name) + "'", .why = "", .remedy = "there are: " + names});
}

}  // namespace greenlane

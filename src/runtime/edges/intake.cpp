#include "runtime/edges/intake.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

ValuePtr initial_value(const EdgeOptions& options, std::uint64_t epoch) {
  return std::make_shared<Value>(Value{.payload = options.initial, .epoch = epoch});
}

}  // namespace

Intake::Intake(std::vector<EdgeOptions> edges) {
  for (auto& options : edges) {
    has_trigger_ = has_trigger_ || options.triggers;
    auto& edge = edges_.emplace_back();
    if (options.is_feedback) edge.values.push_back({.value = initial_value(options, epoch_), .time = {}});
    edge.options = std::move(options);
  }
}

void Intake::drop_old(Edge& edge) {
  const auto newest_done = std::ranges::find_if(edge.values.rbegin(), edge.values.rend(),
                                                [](const auto& each) { return each.value->payload->is_done(); });
  if (newest_done != edge.values.rend()) edge.values.erase(edge.values.begin(), newest_done.base() - 1);
}

bool Intake::put(std::size_t index, ValuePtr value) {
  {
    const std::scoped_lock lock(mutex_);
    auto& edge = edges_[index];
    if (is_closed_) return false;
    if (edge.options.is_feedback && value->epoch < epoch_) return true;
    if (edge.is_queue() && edge.values.size() >= edge.options.queue) {
      if (edge.options.overflow != Overflow::drop_oldest) {
        ++edge.counts.rejected;
        return false;
      }
      edge.values.pop_front();
      ++edge.counts.dropped;
    }
    if (!edge.is_queue() && edge.is_new) ++edge.counts.dropped;
    // Without the new one, which is hardly done: to ask a device takes a while.
    if (!edge.is_queue() && edge.values.size() > 1) drop_old(edge);
    edge.values.push_back({.value = std::move(value), .time = Clock::now()});
    if (!edge.is_queue()) {
      // One that is done, one that will soon be, and the newest: a device that stands still must not fill the memory.
      constexpr std::size_t kMost = 3;
      if (edge.values.size() > kMost) edge.values.erase(edge.values.end() - 2);
    }
    edge.is_new = true;
  }
  // Only triggers wait for data.
  if (has_trigger_ && listener_) listener_();
  return true;
}

bool Intake::has_room(std::size_t index) const {
  const std::scoped_lock lock(mutex_);
  return edges_[index].has_room();
}

bool Intake::wait_for_room(std::size_t index, Clock::time_point until) const {
  std::unique_lock lock(mutex_);
  const auto& edge = edges_[index];
  const auto is_over = [&] { return is_closed_ || edge.has_room(); };
  if (until == Clock::time_point::max()) {
    room_.wait(lock, is_over);
  } else {
    (void)room_.wait_until(lock, until, is_over);
  }
  return !is_closed_ && edge.has_room();
}

std::optional<Clock::time_point> Intake::triggered() const {
  const std::scoped_lock lock(mutex_);
  if (!has_trigger_ || is_closed_) return std::nullopt;
  Clock::time_point since;
  for (const auto& edge : edges_) {
    if (!edge.options.triggers && !edge.is_queue()) continue;
    const auto* arrival = edge.trigger();
    if (!arrival) return std::nullopt;
    since = std::max(since, arrival->time);
  }
  return since;
}

ValuePtr Intake::present(Edge& edge) {
  if (edge.values.empty()) return nullptr;
  if (edge.is_queue()) return edge.values.front().value;
  // The run was triggered by the newest value, so its lane waits for it.
  if (edge.options.triggers && edge.is_new) return edge.values.back().value;
  drop_old(edge);
  const auto& oldest = edge.values.front().value;
  return oldest->payload->is_done() ? oldest : nullptr;
}

Intake::Inputs Intake::take() {
  Inputs inputs;
  std::vector<std::function<void()>> with_room;
  {
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      auto value = present(edges_[i]);
      if (!value) {
        inputs.values.clear();
        inputs.missing = i;
        return inputs;
      }
      inputs.values.push_back(std::move(value));
    }
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      auto& edge = edges_[i];
      if (edge.is_queue()) {
        edge.values.pop_front();
        ++edge.counts.taken;
        if (edge.options.overflow == Overflow::block) with_room.push_back(edge.on_room);
      } else if (edge.is_new && inputs.values[i] == edge.values.back().value) {
        edge.is_new = false;
        ++edge.counts.taken;
      }
      if (!edge.options.is_feedback) inputs.items.add(inputs.values[i]->items);
      inputs.epoch = std::min(inputs.epoch, inputs.values[i]->epoch);
    }
  }
  if (!with_room.empty()) room_.notify_all();
  for (const auto& tell : with_room) {
    if (tell) tell();
  }
  return inputs;
}

void Intake::reset(std::uint64_t epoch) {
  {
    const std::scoped_lock lock(mutex_);
    epoch_ = epoch;
    for (auto& edge : edges_) {
      if (!edge.options.is_feedback) continue;
      edge.values.clear();
      edge.values.push_back({.value = initial_value(edge.options, epoch_), .time = {}});
      edge.is_new = false;
    }
  }
}

void Intake::close() {
  {
    const std::scoped_lock lock(mutex_);
    is_closed_ = true;
    for (auto& edge : edges_) edge.values.clear();
  }
  room_.notify_all();
}

std::vector<EdgeCounts> Intake::counts() const {
  const std::scoped_lock lock(mutex_);
  std::vector<EdgeCounts> all;
  for (const auto& edge : edges_) {
    auto counts = edge.counts;
    counts.waiting = edge.is_queue() ? edge.values.size() : 0;
    all.push_back(counts);
  }
  return all;
}

}  // namespace greenlane::runtime

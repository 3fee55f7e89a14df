#include "core/graphs/callers_graph.hpp"

#include "core/device_state.hpp"
#include "core/graphs/capture_scope.hpp"

#include <greenlane/detail/core/access.hpp>

#include <algorithm>
#include <utility>

namespace greenlane::detail {

std::string name_and_size(const Lane& lane) {
  return "'" + lane.name() + "' (" + units_text(DeviceKind::cuda, lane.units()) + ")";
}

void keep_in_callers_graph(StreamView capturing, const Lane& lane) {
  if (capturing.is_default() || CaptureScope::captures()) return;
  auto& device = *Access::state(lane.device());
  if (device.is_capturing(capturing)) device.give_to_capture(capturing, std::make_unique<LaneInGraph>(lane, nullptr));
}

bool CallersGraphs::has(std::uint64_t capture, UnitSetId unit_set) const noexcept {
  return std::ranges::any_of(
      graphs_, [&](const auto& graph) { return graph->capture == capture && graph->unit_set == unit_set; });
}

void CallersGraphs::add(std::shared_ptr<CallersGraph> graph) {
  std::erase_if(graphs_, [](const auto& each) { return each->is_gone.load(std::memory_order_acquire); });
  graphs_.push_back(std::move(graph));
}

std::string CallersGraphs::take_warning(const std::string& engine, const std::optional<Lane>& now) {
  std::string elsewhere;
  for (const auto& graph : graphs_) {
    if (graph->is_warned_of || graph->is_gone.load(std::memory_order_acquire)) continue;
    if (now && now->unit_set() == graph->unit_set) continue;
    elsewhere = graph->lane;
    graph->is_warned_of = true;
  }
  if (elsewhere.empty()) return {};
  return "'" + engine + "' " + (now ? "is now bound to lane " + name_and_size(*now) : "is not bound any more") +
         ", but a CUDA graph that was captured before still runs it on lane " + elsewhere +
         " and keeps that lane: capture the graph again to move the engine, or delete the graph to free the lane";
}

}  // namespace greenlane::detail

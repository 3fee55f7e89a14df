// Graphs that callers capture, and what of them concerns greenlane: the lanes that their nodes are on.
#pragma once

#include "core/drop_queue.hpp"

#include <greenlane/core/lane.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::detail {

// What an engine's binding remembers of a graph that the engine went into. It keeps nothing alive.
struct CallersGraph {
  std::uint64_t capture;  // the driver's number, which no other capture gets
  std::uint64_t place;    // of the lane that it holds
  std::string lane;       // that lane's name and size, for messages
  std::atomic<bool> is_gone{false};
  bool is_warned_of = false;
};

// A lane on its way into a graph. The graph owns it, and the driver hands it back when the graph and all that was made
// of it are gone.
class LaneInGraph final : public DropQueue::Entry {
 public:
  LaneInGraph(Lane lane, std::shared_ptr<CallersGraph> graph) : lane_(std::move(lane)), graph_(std::move(graph)) {}
  // Calls nothing of CUDA. Only the driver's callback may call it.
  void graph_is_gone() noexcept { graph_->is_gone.store(true, std::memory_order_release); }

 private:
  Lane lane_;
  std::shared_ptr<CallersGraph> graph_;
};

// Those that an engine is in. Thread safety: none; the engine's binding has a lock.
class CallersGraphs {
 public:
  // Whether this capture holds a lane on those units already.
  [[nodiscard]] bool has(std::uint64_t capture, std::uint64_t place) const noexcept;
  void add(std::shared_ptr<CallersGraph> graph);
  // A warning where a graph that still exists has the engine on other units than those of `now` (nothing: the engine is
  // not bound any more); else empty. No graph is warned of twice.
  [[nodiscard]] std::string take_warning(const std::string& engine, const std::optional<Lane>& now);

 private:
  std::vector<std::shared_ptr<CallersGraph>> graphs_;
};

[[nodiscard]] std::string name_and_size(const Lane& lane);

}  // namespace greenlane::detail

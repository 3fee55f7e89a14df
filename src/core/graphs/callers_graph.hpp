// Graphs that callers capture, and the lanes that their nodes are on.
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

// A binding's record of a graph that captured its engine. It keeps nothing alive.
struct CallersGraph {
  std::uint64_t capture;  // the driver's number, which no other capture gets
  UnitSetId unit_set;     // of the lane that it holds
  std::string lane;       // the lane's name and size, for messages
  std::atomic<bool> is_gone{false};
  bool is_warned_of = false;
};

// A lane that a graph owns. The driver returns it when the graph and everything made from it are gone. The record is
// null if nobody asks for it.
class LaneInGraph final : public DropQueue::Entry {
 public:
  LaneInGraph(Lane lane, std::shared_ptr<CallersGraph> graph) : lane_(std::move(lane)), graph_(std::move(graph)) {}
  // Makes no CUDA call. Only the driver's callback may call it.
  void graph_is_gone() noexcept {
    if (graph_) graph_->is_gone.store(true, std::memory_order_release);
  }

 private:
  Lane lane_;
  std::shared_ptr<CallersGraph> graph_;
};

// The callers' graphs that captured one engine.
// Thread safety: none; the engine's binding has a lock.
class CallersGraphs {
 public:
  // Returns true if this capture already holds a lane on those units.
  [[nodiscard]] bool has(std::uint64_t capture, UnitSetId unit_set) const noexcept;
  void add(std::shared_ptr<CallersGraph> graph);
  // Returns a warning if an existing graph has the engine on other units than those of `now` (nothing: the engine is no
  // longer bound); else an empty text. Each graph is warned of once.
  [[nodiscard]] std::string take_warning(const std::string& engine, const std::optional<Lane>& now);

 private:
  std::vector<std::shared_ptr<CallersGraph>> graphs_;
};

// Makes the graph that a caller captures on this stream keep a lane; does nothing if no graph is captured there.
// Throws: DriverError.
void keep_in_callers_graph(StreamView capturing, const Lane& lane);

[[nodiscard]] std::string name_and_size(const Lane& lane);

}  // namespace greenlane::detail

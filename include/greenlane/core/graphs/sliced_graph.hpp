// A graph that lets urgent work pass: cut into slices that the host launches a little ahead of the device.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/core/graphs/graph.hpp>
#include <greenlane/core/span_log.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace greenlane {

struct SliceOptions {
  // No slice longer than this, unless a single kernel is. Absent: chosen.
  std::optional<std::chrono::nanoseconds> longest{};
  // Slices that wait on the device behind the one that runs. None leaves the device idle between two; more than one
  // makes urgent work wait longer. Absent: one, or chosen where `longest` is.
  std::optional<int> look_ahead{};
  // What is left to choose is chosen so that urgent work waits as short as it can for no more than this, as a share of
  // the uncut graph's time, which is known to about half a hundredth; or, where nothing is as cheap, as costs least.
  double most_overhead = 0.025;
  GateWait wait = GateWait::spin;
  // Where it is written down when slices ran, as the launching thread sees it, which then looks more often and returns
  // when the last is done. Null: nowhere.
  std::shared_ptr<SpanLog> log{};
};

// Slices have all of the graph's nodes, each once, in an order that keeps every dependency, and run in the same units:
// what they compute is what the uncut graph does. A graph that cannot be cut is launched whole, behind the gate. Thread
// safety: none.
class SlicedGraph {
 public:
  // Cuts and measures on the lane, for a few seconds, some ten at most: the graph, whole and in parts, is run some
  // thousand times on what is in its memory, urgent engines before it; some ten times where nothing is left to choose.
  // Without `measure` that is not done, and slices have an equal number of parts.
  SlicedGraph(Graph graph, const Lane& lane, const SliceOptions& options, bool measure = true);
  ~SlicedGraph();
  SlicedGraph(SlicedGraph&&) noexcept;
  SlicedGraph& operator=(SlicedGraph&&) = delete;

  [[nodiscard]] int slices() const noexcept;
  // As measured alone; 0 where nothing was.
  [[nodiscard]] std::chrono::nanoseconds longest_slice() const noexcept;
  // Slices that wait on the device behind the one that runs.
  [[nodiscard]] int look_ahead() const noexcept;
  // Why it is launched whole; empty where it is not.
  [[nodiscard]] const std::string& obstacle() const noexcept;

  // Launches it slice by slice on the lane's stream, and returns when the last is launched: about as long as it runs,
  // plus what it was held. Before each it asks the gate for the lane's place. Slices of the run before count among
  // those in flight. Throws DriverError.
  void run(Gate& gate, const Lane& lane);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane

// A graph that lets urgent work pass: cut into slices that the host launches a little ahead of the device.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/core/graph.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace greenlane {

struct SliceOptions {
  // No slice longer than this, unless a single kernel is. Absent: the shortest of a few lengths that cost no more than
  // `most_overhead`.
  std::optional<std::chrono::nanoseconds> longest{};
  // As a share of the uncut graph's time, for lengths that are chosen.
  double most_overhead = 0.03;
  // Slices that wait on the device behind the one that runs. None leaves the device idle between two; more than one
  // makes urgent work wait longer.
  int look_ahead = 1;
  GateWait wait = GateWait::spin;
};

// Slices have all of the graph's nodes, each once, in an order that keeps every dependency, and run in the same units:
// what they compute is what the uncut graph does. A graph that cannot be cut is launched whole, behind the gate. Thread
// safety: none.
class SlicedGraph {
 public:
  // Cuts and measures on the lane: the parts of the graph are run some ten times, out of order, on what is in its
  // memory. Without `measure` that is not done, and slices have an equal number of parts.
  SlicedGraph(Graph graph, const Lane& lane, const SliceOptions& options, bool measure = true);
  ~SlicedGraph();
  SlicedGraph(SlicedGraph&&) noexcept;
  SlicedGraph& operator=(SlicedGraph&&) = delete;

  [[nodiscard]] int slices() const noexcept;
  // As measured alone; 0 where nothing was.
  [[nodiscard]] std::chrono::nanoseconds longest_slice() const noexcept;
  // Why it is launched whole; empty where it is not.
  [[nodiscard]] const std::string& obstacle() const noexcept;

  // Launches it slice by slice on the lane's stream, and returns when the last is launched: about as long as it runs,
  // plus what it was held. Before each it asks the gate for the lane's place. Throws DriverError.
  void run(Gate& gate, const Lane& lane);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane

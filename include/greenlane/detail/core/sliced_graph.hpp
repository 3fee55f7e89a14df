// A graph that lets urgent work pass, cut into slices that the host launches a little ahead of the device.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/core/span_log.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace greenlane {

// A graph cut into slices. The slices contain all of the graph's nodes, each once, in an order that keeps every
// dependency, and run on the same units, so results are those of the uncut graph. A graph that cannot be cut is
// launched whole, behind the gate.
// Thread safety: none.
class SlicedGraph {
 public:
  // Cuts the graph and measures it on the lane. This takes a few seconds, some ten at most: the graph, whole and in
  // parts, runs some thousand times on its present memory, with urgent engines before it. It runs some ten times if
  // nothing is left to choose. With `measure` false nothing runs, and all slices have the same number of parts.
  SlicedGraph(Graph graph, const Lane& lane, const SliceOptions& options, bool measure = true);
  ~SlicedGraph();
  SlicedGraph(SlicedGraph&&) noexcept;
  SlicedGraph& operator=(SlicedGraph&&) = delete;

  // Cuts the same graph, moved to the lane, at the same nodes. Nothing runs: all times are taken to be `longer` times
  // those that were measured.
  // Throws: DriverError.
  [[nodiscard]] SlicedGraph moved(Graph graph, const Lane& lane, double longer) const;

  [[nodiscard]] int slices() const noexcept;
  // Duration of the longest slice, measured alone; 0 if not measured.
  [[nodiscard]] std::chrono::nanoseconds longest_slice() const noexcept;
  // The longest time for which urgent work waits for slices that were launched; 0 if not measured.
  [[nodiscard]] std::chrono::nanoseconds in_flight() const noexcept;
  // Slices that wait on the device behind the running one.
  [[nodiscard]] int look_ahead() const noexcept;
  // The longest kernel, if it is longer than the slices that were wanted. Absent also if nothing was measured.
  [[nodiscard]] const std::optional<LongKernel>& long_kernel() const noexcept;
  // The reason why the graph is launched whole; empty if it is cut.
  [[nodiscard]] const std::string& obstacle() const noexcept;

  // Launches the graph slice by slice on the lane's stream and asks the gate for the lane's units before each slice.
  // Returns when the last slice is launched: after about the graph's run time plus the time held at the gate. Slices of
  // the previous run count among those in flight.
  // Throws: DriverError.
  void run(Gate& gate, const Lane& lane);

 private:
  struct Impl;
  explicit SlicedGraph(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane

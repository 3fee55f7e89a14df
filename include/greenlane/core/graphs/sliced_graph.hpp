// A graph that lets urgent work pass, cut into slices that the host launches a little ahead of the device.
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
  // The longest slice, except where a single kernel is longer. Absent: chosen.
  std::optional<std::chrono::nanoseconds> longest{};
  // Slices that wait on the device behind the running one. With 0 the device is idle between two slices; more than one
  // makes urgent work wait longer. Absent: one, or chosen where `longest` is absent.
  std::optional<int> look_ahead{};
  // The overhead limit, as a share of the uncut graph's time. Values left to choose give the shortest wait of urgent
  // work within this limit, or, if nothing is that cheap, the least overhead. The overhead is known to about half a
  // hundredth.
  double most_overhead = 0.025;
  GateWait wait = GateWait::spin;
  // The log of when slices ran, as the launching thread sees it; null: none. With a log, the thread looks more often
  // and returns when the last slice is done.
  std::shared_ptr<SpanLog> log{};
};

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

  [[nodiscard]] int slices() const noexcept;
  // Duration of the longest slice, measured alone; 0 if not measured.
  [[nodiscard]] std::chrono::nanoseconds longest_slice() const noexcept;
  // Slices that wait on the device behind the running one.
  [[nodiscard]] int look_ahead() const noexcept;
  // The reason why the graph is launched whole; empty if it is cut.
  [[nodiscard]] const std::string& obstacle() const noexcept;

  // Launches the graph slice by slice on the lane's stream and asks the gate for the lane's place before each slice.
  // Returns when the last slice is launched: after about the graph's run time plus the time held at the gate. Slices of
  // the previous run count among those in flight.
  // Throws: DriverError.
  void run(Gate& gate, const Lane& lane);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenlane

// How a graph may be cut for gates, and which of the ways to take. Arithmetic only.
#pragma once

#include "core/graphs/graph_slices.hpp"

#include <greenlane/core/graphs/sliced_graph.hpp>

#include <chrono>
#include <functional>
#include <span>
#include <vector>

namespace greenlane::detail {

struct SliceChoice {
  std::vector<Slice> slices;
  std::chrono::nanoseconds longest{0};  // of the slices
  int look_ahead = 0;

  // The worst wait of an urgent call.
  [[nodiscard]] std::chrono::nanoseconds in_flight() const { return (look_ahead + 1) * longest; }
};

// Every way that the options leave open, the shortest wait first. `times` are those of the finest slices.
[[nodiscard]] std::vector<SliceChoice> slice_choices(std::span<const Slice> finest,
                                                     std::span<const std::chrono::nanoseconds> times,
                                                     const SliceOptions& options);

// The first that costs no more than `most_overhead`, or else the one that costs least. `overhead` measures one, as a
// share of the uncut graph's time; infinity: it did not. What slices cost grows with their number, so two are measured
// for each look-ahead and the others judged by them: of many measured ones, the first to pass would be one that chance
// made cheap. A single choice is not measured.
[[nodiscard]] const SliceChoice& choose_slices(std::span<const SliceChoice> choices, double most_overhead,
                                               const std::function<double(const SliceChoice&)>& overhead);

}  // namespace greenlane::detail

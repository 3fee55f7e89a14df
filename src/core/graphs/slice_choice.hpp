// Ways to cut a graph for gates, and the choice among them. Arithmetic only.
#pragma once

#include "core/graphs/graph_slices.hpp"

#include <greenlane/detail/core/sliced_graph.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

struct SliceChoice {
  std::vector<Slice> slices;
  std::chrono::nanoseconds longest{0};    // of the slices
  std::chrono::nanoseconds in_flight{0};  // the worst wait of an urgent call
  int look_ahead = 0;
};

// Returns all ways that the options leave open, the shortest wait first. `times` are the times of the finest slices.
[[nodiscard]] std::vector<SliceChoice> slice_choices(std::span<const Slice> finest,
                                                     std::span<const std::chrono::nanoseconds> times,
                                                     const SliceOptions& options);

// Returns the first choice whose overhead is at most `most_overhead`, or else the choice with the least overhead.
// `overhead` measures a choice, as a share of the uncut graph's time; infinity: not measured. The overhead grows with
// the number of slices, so at most two choices are measured for each look-ahead, and the others are estimated from
// them. Measuring all choices would favour a choice that is cheap by chance. A single choice is not measured.
[[nodiscard]] const SliceChoice& choose_slices(std::span<const SliceChoice> choices, double most_overhead,
                                               const std::function<double(const SliceChoice&)>& overhead);

// Returns the longest of the finest slices, if it has a kernel and is longer than any slice that the options ask for.
// `times` are the times of the finest slices. `kernel_name` names a node's kernel; absent: the node is no kernel.
[[nodiscard]] std::optional<LongKernel> find_long_kernel(
    std::span<const Slice> finest, std::span<const std::chrono::nanoseconds> times, const SliceOptions& options,
    const std::function<std::optional<std::string>(int)>& kernel_name);

}  // namespace greenlane::detail

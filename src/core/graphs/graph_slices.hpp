// The slices that a graph may be cut into and that are launched one after another. Arithmetic only.
#pragma once

#include <chrono>
#include <span>
#include <vector>

namespace greenlane::detail {

// The structure of a graph: its nodes, numbered from 0, and their dependencies.
struct GraphShape {
  struct Edge {
    int from = 0;
    int to = 0;
    // The later kernel may begin before the earlier one ends if both are in one launch.
    bool programmatic = false;
  };
  int nodes = 0;
  std::vector<Edge> edges;
  std::vector<int> memory_nodes;  // nodes that allocate or free memory; they must stay in one slice
};

// Nodes that are launched together.
using Slice = std::vector<int>;

// Returns the finest slices in their order. A cut is made only after a node that all other nodes come before or after,
// so that branches that could run side by side are not put one after the other. No cut goes through a programmatic edge
// or between memory nodes. Every node is in one slice, and its dependencies are in that slice or earlier ones.
[[nodiscard]] std::vector<Slice> finest_slices(const GraphShape& shape);

// Joins neighbouring slices while their total time fits into `longest`. A slice that is longer by itself stays alone.
// `times` are the times of the slices.
[[nodiscard]] std::vector<Slice> merge_slices(std::span<const Slice> slices,
                                              std::span<const std::chrono::nanoseconds> times,
                                              std::chrono::nanoseconds longest);

}  // namespace greenlane::detail

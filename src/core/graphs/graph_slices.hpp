// Where a graph may be cut into slices that are launched one after another. Arithmetic only.
#pragma once

#include <chrono>
#include <span>
#include <vector>

namespace greenlane::detail {

// What is known of a graph: its nodes, numbered from 0, and what must be done before what.
struct GraphShape {
  struct Edge {
    int from = 0;
    int to = 0;
    // The later kernel may begin before the earlier one ends, if both are in one launch.
    bool programmatic = false;
  };
  int nodes = 0;
  std::vector<Edge> edges;
  std::vector<int> memory_nodes;  // that allocate or free: they belong together
};

// Nodes that are launched together.
using Slice = std::vector<int>;

// The finest slices, in their order: cut only where every path crosses, after a node that all others come before or
// after, so that no two branches that could run side by side are put one after the other. Never through a programmatic
// edge, nor between memory nodes. Every node is in one slice, and what it depends on in that one or in an earlier.
[[nodiscard]] std::vector<Slice> finest_slices(const GraphShape& shape);

// Neighbours put together, as many as fit into `longest`; one that is longer by itself stays alone. `times` are those
// of the slices.
[[nodiscard]] std::vector<Slice> merge_slices(std::span<const Slice> slices,
                                              std::span<const std::chrono::nanoseconds> times,
                                              std::chrono::nanoseconds longest);

}  // namespace greenlane::detail

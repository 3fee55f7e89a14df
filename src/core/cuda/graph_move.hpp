// Moves the nodes of a graph to other units.
#pragma once

#include "core/cuda/kernel_libraries.hpp"
#include "core/cuda/primary_context.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

// Sets the context of nodes that are not instantiated.
class GraphMove {
 public:
  // `code`: of kernels that belong to a module; null: there are none.
  // Throws: StreamError if this driver cannot move nodes.
  GraphMove(std::shared_ptr<PrimaryContext> primary, CUcontext from, CUcontext to, KernelCode* code);

  // Moves these nodes, and those of graphs inside them, from the one context to the other. Nodes in other contexts
  // stay.
  // Throws: StreamError that names the first node that cannot be moved; some nodes are moved then.
  void move(std::span<const CUgraphNode> nodes);
  // Checks, after all nodes, that the graph was in the former context at all.
  // Throws: StreamError if none of its kernels was.
  void finish() const;
  // Returns the libraries whose kernels the nodes have now; null if there are none.
  [[nodiscard]] const std::shared_ptr<KernelLibraries>& libraries() const noexcept { return libraries_; }

 private:
  void move_kernel(CUgraphNode node);
  void move_memset(CUgraphNode node);
  void move_copy(CUgraphNode node);
  void set(CUgraphNode node, CUgraphNodeParams params);

  std::shared_ptr<PrimaryContext> primary_;
  CUcontext from_;
  CUcontext to_;
  KernelCode* code_;
  std::shared_ptr<KernelLibraries> libraries_;
  std::map<std::string, CUfunction> functions_;  // of modules, by name
  int seen_ = 0;                                 // kernels
  int moved_ = 0;
};

// Returns the nodes of a graph.
// Throws: DriverError.
[[nodiscard]] std::vector<CUgraphNode> nodes_of(const driver::Table& driver, CUgraph graph);

}  // namespace greenlane::detail

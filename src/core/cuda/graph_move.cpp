#include "core/cuda/graph_move.hpp"

#include "core/cuda/driver_check.hpp"

#include <greenlane/core/error.hpp>

#include <string>
#include <utility>

namespace greenlane::detail {
namespace {

const std::string kWhat = "a graph could not be moved to other units";

[[noreturn]] void refuse(const std::string& why) {
  throw StreamError({.what = kWhat, .why = why, .remedy = "capture it again there"});
}

}  // namespace

std::vector<CUgraphNode> nodes_of(const driver::Table& driver, CUgraph graph) {
  const std::string what = "a graph's nodes could not be listed";
  std::size_t count = 0;
  check(driver, driver.cuGraphGetNodes(graph, nullptr, &count), "cuGraphGetNodes", what);
  std::vector<CUgraphNode> nodes(count);
  check(driver, driver.cuGraphGetNodes(graph, nodes.data(), &count), "cuGraphGetNodes", what);
  return nodes;
}

GraphMove::GraphMove(std::shared_ptr<PrimaryContext> primary, CUcontext from, CUcontext to, KernelCode* code)
    : primary_(std::move(primary)), from_(from), to_(to), code_(code) {
  if (!primary_->driver().can_move_graphs()) refuse("this driver is older than CUDA 12.4");
}

void GraphMove::move(std::span<const CUgraphNode> nodes) {
  const auto& driver = primary_->driver();
  for (CUgraphNode_st* const node : nodes) {
    CUgraphNodeType type{};
    check(driver, driver.cuGraphNodeGetType(node, &type), "cuGraphNodeGetType", kWhat);
    switch (type) {
      case CU_GRAPH_NODE_TYPE_KERNEL:
        move_kernel(node);
        break;
      case CU_GRAPH_NODE_TYPE_MEMSET:
        move_memset(node);
        break;
      case CU_GRAPH_NODE_TYPE_MEMCPY:
        move_copy(node);
        break;
      case CU_GRAPH_NODE_TYPE_GRAPH: {
        CUgraph inside = nullptr;
        check(driver, driver.cuGraphChildGraphNodeGetGraph(node, &inside), "cuGraphChildGraphNodeGetGraph", kWhat);
        move(nodes_of(driver, inside));
        break;
      }
      case CU_GRAPH_NODE_TYPE_EMPTY:
      case CU_GRAPH_NODE_TYPE_HOST:
      case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
        break;  // they run on no units
      default:
        refuse("it has a node of type " + std::to_string(static_cast<int>(type)) + ", which stays in its context");
    }
  }
}

void GraphMove::finish() const {
  if (seen_ > 0 && moved_ == 0) refuse("its kernels are in another context than its lane");
}

void GraphMove::move_kernel(CUgraphNode node) {
  const auto& driver = primary_->driver();
  CUDA_KERNEL_NODE_PARAMS params{};
  check(driver, driver.cuGraphKernelNodeGetParams(node, &params), "cuGraphKernelNodeGetParams", kWhat);
  ++seen_;
  if (params.ctx != from_) return;
  CUkernelNodeAttrValue value{};
  check(driver, driver.cuGraphKernelNodeGetAttribute(node, CU_KERNEL_NODE_ATTRIBUTE_COOPERATIVE, &value),
        "cuGraphKernelNodeGetAttribute", kWhat);
  if (value.cooperative != 0) refuse("it has a cooperative kernel, whose blocks must all fit at once");
  if (!params.kern) {
    // A context that is set for a module's function has no effect, without an error.
    const char* known = nullptr;
    driver.cuFuncGetName(&known, params.func);
    const std::string name = known ? known : "without a name";
    if (functions_.try_emplace(name, params.func).first->second != params.func)
      refuse("it has two kernels with the name " + name + ", of two modules");
    if (code_ && !libraries_) libraries_ = KernelLibraries::of(*code_, primary_);
    params.kern = libraries_ ? libraries_->find(params.func) : nullptr;
    if (!params.kern) refuse("its kernel " + name + " belongs to a module, and its code is not known to greenlane");
  }
  params.func = nullptr;
  params.ctx = to_;
  check(driver, driver.cuGraphKernelNodeSetParams(node, &params), "cuGraphKernelNodeSetParams", kWhat);
  ++moved_;
}

void GraphMove::move_memset(CUgraphNode node) {
  const auto& driver = primary_->driver();
  CUDA_MEMSET_NODE_PARAMS_v1 memset{};
  check(driver, driver.cuGraphMemsetNodeGetParams(node, &memset), "cuGraphMemsetNodeGetParams", kWhat);
  CUgraphNodeParams params{};
  params.type = CU_GRAPH_NODE_TYPE_MEMSET;
  params.memset = {.dst = memset.dst,
                   .pitch = memset.pitch,
                   .value = memset.value,
                   .elementSize = memset.elementSize,
                   .width = memset.width,
                   .height = memset.height,
                   .ctx = to_};
  set(node, params);
}

void GraphMove::move_copy(CUgraphNode node) {
  const auto& driver = primary_->driver();
  CUgraphNodeParams params{};
  params.type = CU_GRAPH_NODE_TYPE_MEMCPY;
  params.memcpy.copyCtx = to_;
  check(driver, driver.cuGraphMemcpyNodeGetParams(node, &params.memcpy.copyParams), "cuGraphMemcpyNodeGetParams",
        kWhat);
  set(node, params);
}

void GraphMove::set(CUgraphNode node, CUgraphNodeParams params) {
  check(primary_->driver(), primary_->driver().cuGraphNodeSetParams(node, &params), "cuGraphNodeSetParams", kWhat);
}

}  // namespace greenlane::detail

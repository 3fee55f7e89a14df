#include "core/cuda/graph.hpp"

#include "core/cuda/capture_mode.hpp"
#include "core/cuda/contexts.hpp"
#include "core/cuda/driver_check.hpp"
#include "core/cuda/graph_move.hpp"
#include "text/kernel_name.hpp"

#include <greenlane/core/error.hpp>

#include <map>
#include <utility>

namespace greenlane::detail {

CudaGraph::CudaGraph(std::shared_ptr<PrimaryContext> primary, StreamView stream)
    : primary_(std::move(primary)), stream_(stream) {
  const auto& driver = primary_->driver();
  check(driver, driver.cuStreamBeginCapture(stream_.handle(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "cuStreamBeginCapture", "a graph could not be captured on stream " + to_string(stream_));
  capturing_ = true;
  // A call that waits for the device must fail, rather than return the memory's contents from before the graph runs.
  former_mode_ = exchange_capture_mode(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

CudaGraph::CudaGraph(std::shared_ptr<PrimaryContext> primary, CUgraph graph)
    : primary_(std::move(primary)), graph_(graph) {}

CudaGraph::~CudaGraph() {
  if (capturing_) (void)end_capture();
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  if (graph_) primary_->driver().cuGraphDestroy(graph_);
  // The driver frees a graph that still runs when it is done.
  if (executable_) primary_->driver().cuGraphExecDestroy(executable_);
}

CUresult CudaGraph::end_capture() noexcept {
  capturing_ = false;
  if (former_mode_) (void)exchange_capture_mode(*former_mode_);
  return primary_->driver().cuStreamEndCapture(stream_.handle(), &graph_);
}

void CudaGraph::finish() {
  if (const CUresult result = end_capture(); result != CUDA_SUCCESS || !graph_) {
    throw StreamError(
        {.what = "the work could not be captured in a graph",
         .why = "cuStreamEndCapture gave " + describe(primary_->driver(), result),
         .remedy = "remove GPU synchronization and allocations outside PyTorch; join every forked stream"});
  }
  instantiate();
}

void CudaGraph::instantiate() {
  const auto& driver = primary_->driver();
  const RelaxedCaptureMode while_others_capture(driver);
  const ContextScope scope(*primary_);  // a thread that only uses streams has no current context
  // Memory that a graph allocates and does not free is freed at its next launch, as in PyTorch's graphs.
  const CUresult result =
      driver.cuGraphInstantiateWithFlags(&executable_, graph_, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
  if (result != CUDA_SUCCESS) executable_ = nullptr;
  check(driver, result, "cuGraphInstantiateWithFlags", "a graph could not be made ready to be launched");
}

const std::vector<CUgraphNode>& CudaGraph::list_nodes() const {
  if (nodes_.empty()) nodes_ = nodes_of(primary_->driver(), graph_);
  return nodes_;
}

GraphShape CudaGraph::shape() const {
  const auto& driver = primary_->driver();
  if (!driver.cuGraphGetEdges) {
    throw StreamError({.what = "a graph could not be cut",
                       .why = "this driver is older than CUDA 12.3 and does not tell how nodes depend on each other",
                       .remedy = "use a newer driver"});
  }
  const std::string what = "a graph's edges could not be listed";
  const auto& all = list_nodes();
  std::map<CUgraphNode, int> numbers;
  GraphShape shape{.nodes = static_cast<int>(all.size()), .edges = {}, .memory_nodes = {}};
  for (CUgraphNode_st* const node : all) {
    const int number = static_cast<int>(numbers.size());
    numbers.emplace(node, number);
    CUgraphNodeType type{};
    check(driver, driver.cuGraphNodeGetType(node, &type), "cuGraphNodeGetType", what);
    if (type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE)
      shape.memory_nodes.push_back(number);
  }
  std::size_t count = 0;
  check(driver, driver.cuGraphGetEdges(graph_, nullptr, nullptr, nullptr, &count), "cuGraphGetEdges", what);
  std::vector<CUgraphNode> from(count);
  std::vector<CUgraphNode> to(count);
  std::vector<CUgraphEdgeData> data(count);
  check(driver, driver.cuGraphGetEdges(graph_, from.data(), to.data(), data.data(), &count), "cuGraphGetEdges", what);
  for (std::size_t i = 0; i < count; ++i) {
    shape.edges.push_back({.from = numbers.at(from[i]),
                           .to = numbers.at(to[i]),
                           .programmatic = data[i].type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC});
  }
  return shape;
}

// Returns a clone without the other nodes. Attributes of kernels and data of edges stay unchanged.
std::unique_ptr<GraphBackend> CudaGraph::part(std::span<const int> nodes) const {
  const auto& driver = primary_->driver();
  const std::string what = "a graph could not be cut";
  CUgraph clone = nullptr;
  check(driver, driver.cuGraphClone(&clone, graph_), "cuGraphClone", what);
  std::unique_ptr<CudaGraph> part(new CudaGraph(primary_, clone));
  const auto& all = list_nodes();
  std::vector<bool> keep(all.size());
  for (const int number : nodes) keep[static_cast<std::size_t>(number)] = true;
  for (std::size_t number = 0; number < all.size(); ++number) {
    if (keep[number]) continue;
    CUgraphNode node = nullptr;
    check(driver, driver.cuGraphNodeFindInClone(&node, all[number], clone), "cuGraphNodeFindInClone", what);
    check(driver, driver.cuGraphDestroyNode(node), "cuGraphDestroyNode", what);
  }
  part->instantiate();
  return part;
}

std::unique_ptr<GraphBackend> CudaGraph::moved(StreamView from, StreamView to, KernelCode* code) const {
  const auto& driver = primary_->driver();
  const std::string what = "a graph could not be moved to other units";
  const auto source = context_of(from);
  const auto target = context_of(to);
  if (!source || !target) {
    throw StreamError({.what = what,
                       .why = "the driver does not tell the context of a lane's stream",
                       .remedy = "capture it again there"});
  }
  const RelaxedCaptureMode while_others_capture(driver);
  const ContextScope scope(*primary_);
  CUgraph clone = nullptr;
  check(driver, driver.cuGraphClone(&clone, graph_), "cuGraphClone", what);
  std::unique_ptr<CudaGraph> moved(new CudaGraph(primary_, clone));
  for (CUgraphNode_st* const node : list_nodes()) {
    CUgraphNode copy = nullptr;
    check(driver, driver.cuGraphNodeFindInClone(&copy, node, clone), "cuGraphNodeFindInClone", what);
    moved->nodes_.push_back(copy);
  }
  GraphMove move(primary_, source->context, target->context, code);
  move.move(moved->nodes_);
  move.finish();
  moved->libraries_ = move.libraries() ? move.libraries() : libraries_;
  moved->instantiate();
  return moved;
}

std::optional<std::string> CudaGraph::kernel_name(int node) const {
  const auto& driver = primary_->driver();
  CUgraphNode_st* const found = list_nodes().at(static_cast<std::size_t>(node));
  CUgraphNodeType type{};
  if (driver.cuGraphNodeGetType(found, &type) != CUDA_SUCCESS) return "";
  if (type != CU_GRAPH_NODE_TYPE_KERNEL) return std::nullopt;
  CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
  if (!driver.cuGraphKernelNodeGetParams || driver.cuGraphKernelNodeGetParams(found, &kernel) != CUDA_SUCCESS)
    return "";
  const char* name = nullptr;
  if (kernel.kern && driver.cuKernelGetName) (void)driver.cuKernelGetName(&name, kernel.kern);
  if (!name && kernel.func && driver.cuFuncGetName) (void)driver.cuFuncGetName(&name, kernel.func);
  return name ? text::demangled(name) : "";
}

// The message is built only on an error, because every call of an engine runs this.
void CudaGraph::launch(StreamView stream) {
  const CUresult result = primary_->driver().cuGraphLaunch(executable_, stream.handle());
  if (result == CUDA_SUCCESS) return;
  check(primary_->driver(), result, "cuGraphLaunch", "a graph could not be launched on stream " + to_string(stream));
}

}  // namespace greenlane::detail

#include "core/cuda/graph.hpp"

#include "core/cuda/driver_check.hpp"

#include <greenlane/core/error.hpp>

#include <utility>

namespace greenlane::detail {

CudaGraph::CudaGraph(std::shared_ptr<PrimaryContext> primary, StreamView stream)
    : primary_(std::move(primary)), stream_(stream) {
  const auto& driver = primary_->driver();
  check(driver, driver.cuStreamBeginCapture(stream_.handle(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "cuStreamBeginCapture", "a graph could not be captured on stream " + to_string(stream_));
  capturing_ = true;
}

CudaGraph::~CudaGraph() {
  CUgraph graph = nullptr;
  if (capturing_) (void)end_capture(graph);
  if (graph) primary_->driver().cuGraphDestroy(graph);
  // One that still runs is freed by the driver when it is done.
  if (executable_) primary_->driver().cuGraphExecDestroy(executable_);
}

CUresult CudaGraph::end_capture(CUgraph& graph) noexcept {
  capturing_ = false;
  return primary_->driver().cuStreamEndCapture(stream_.handle(), &graph);
}

void CudaGraph::finish() {
  const auto& driver = primary_->driver();
  CUgraph graph = nullptr;
  if (const CUresult result = end_capture(graph); result != CUDA_SUCCESS || !graph) {
    if (graph) driver.cuGraphDestroy(graph);
    throw StreamError({.what = "the work could not be captured in a graph",
                       .why = "cuStreamEndCapture gave " + describe(driver, result),
                       .remedy =
                           "leave out of it what waits for the GPU or allocates outside of PyTorch, and join every "
                           "stream that it forks"});
  }
  // What a graph allocates by itself is freed at its next launch, should it not do so itself; PyTorch's graphs do
  // alike.
  const CUresult result =
      driver.cuGraphInstantiateWithFlags(&executable_, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
  driver.cuGraphDestroy(graph);
  if (result != CUDA_SUCCESS) executable_ = nullptr;
  check(driver, result, "cuGraphInstantiateWithFlags", "a graph could not be made ready to be launched");
}

// A message is only put together where it is needed: this is on the path of every call.
void CudaGraph::launch(StreamView stream) {
  const CUresult result = primary_->driver().cuGraphLaunch(executable_, stream.handle());
  if (result == CUDA_SUCCESS) return;
  check(primary_->driver(), result, "cuGraphLaunch", "a graph could not be launched on stream " + to_string(stream));
}

}  // namespace greenlane::detail

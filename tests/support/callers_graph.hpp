// A CUDA graph that an application captures by itself, as torch.cuda.graph does.
#pragma once

#include "support/fake_driver.hpp"

#include <functional>
#include <optional>

namespace greenlane::fake {

class CallersGraph {
 public:
  // Captures the work that `work` enqueues. If it cannot be captured, or if `work` throws, no graph is left.
  CallersGraph(const FakeDriver& fake, StreamView stream, const std::function<void()>& work) : driver_(fake.table()) {
    if (driver_.cuStreamBeginCapture(stream.handle(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) != CUDA_SUCCESS) return;
    CUgraph graph = nullptr;
    try {
      work();
    } catch (...) {
      driver_.cuStreamEndCapture(stream.handle(), &graph);
      if (graph) driver_.cuGraphDestroy(graph);
      throw;
    }
    driver_.cuStreamEndCapture(stream.handle(), &graph);
    if (!graph) return;
    if (driver_.cuGraphInstantiateWithFlags(&executable_, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) !=
        CUDA_SUCCESS)
      executable_ = nullptr;
    driver_.cuGraphDestroy(graph);
  }
  ~CallersGraph() {
    if (executable_) driver_.cuGraphExecDestroy(executable_);
  }
  CallersGraph(const CallersGraph&) = delete;
  CallersGraph& operator=(const CallersGraph&) = delete;

  [[nodiscard]] bool exists() const { return executable_ != nullptr; }
  void launch(StreamView stream) const { driver_.cuGraphLaunch(executable_, stream.handle()); }

 private:
  const driver::Table& driver_;
  CUgraphExec executable_ = nullptr;
};

}  // namespace greenlane::fake

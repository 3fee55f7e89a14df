// A call of a model on fixed memory, captured in a graph.
#pragma once

#include "core/kernel_targets.hpp"
#include "torch/graph_pool.hpp"

#include <greenlane/core/graph.hpp>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace greenlane::detail {

using Model = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

// Tensors like these, for a graph to read from, on the current stream. Throws EngineError where one is not on the
// device, or has gaps in its memory.
[[nodiscard]] std::vector<at::Tensor> make_static(const std::vector<at::Tensor>& inputs, c10::DeviceIndex device);
// On the current stream.
void copy_into(const std::vector<at::Tensor>& fixed, const std::vector<at::Tensor>& inputs);

class CapturedCall {
 public:
  // Captures model(inputs) on the lane's stream, with kernels picked for `target`. Captures of the process are made one
  // after another. Throws what Graph::capture throws.
  CapturedCall(const Lane& lane, std::shared_ptr<GraphPool> pool, std::vector<at::Tensor> inputs, const Model& model,
               KernelTarget target);

  [[nodiscard]] const std::vector<at::Tensor>& inputs() const noexcept { return inputs_; }
  // In the pool; written by every replay.
  [[nodiscard]] const std::vector<at::Tensor>& outputs() const noexcept { return outputs_; }
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  // Enqueues the graph.
  void replay(StreamView stream) const { graph_.launch(stream); }

 private:
  Graph capture(const Lane& lane, const Model& model, KernelTarget target);

  std::shared_ptr<GraphPool> pool_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> outputs_;
  Graph graph_;
};

// Copies, on the current stream.
[[nodiscard]] std::vector<at::Tensor> copies_of(const std::vector<at::Tensor>& tensors);

}  // namespace greenlane::detail

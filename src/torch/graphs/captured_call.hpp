// A call of a model on fixed memory, captured in a graph.
#pragma once

#include "core/graphs/kernel_targets.hpp"
#include "torch/graphs/graph_pool.hpp"

#include <greenlane/core/graphs/graph.hpp>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::detail {

using Model = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

// Tensors like these, for a graph to read from, on the current stream. Throws EngineError where one is not on the
// device, or has gaps in its memory.
[[nodiscard]] std::vector<at::Tensor> make_static(const std::vector<at::Tensor>& inputs, c10::DeviceIndex device);
// What a call does to tensors that outlive it.
struct CallEffects {
  std::vector<at::Tensor> state;     // that it writes to, beside its inputs
  std::vector<std::size_t> written;  // the inputs that it writes to
  [[nodiscard]] bool any() const noexcept { return !state.empty() || !written.empty(); }
};
// Sorts what was noted during a call with these inputs.
[[nodiscard]] CallEffects effects_of(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& noted);
// Why a replay on copies of these inputs would not do what the call does: an input that is written to has memory in
// common with another one, or one with the state. Empty where it would.
[[nodiscard]] std::string aliasing_obstacle(const std::vector<at::Tensor>& inputs, const CallEffects& effects);

// On the current stream.
void copy_into(const std::vector<at::Tensor>& fixed, const std::vector<at::Tensor>& inputs);

// The right to capture, which one thread of the process has at a time: what libraries are told is told for all threads.
class CaptureTurn {
 public:
  // Nothing where somebody has it. Who holds an engine's lock must not wait for it: whoever has it may need that
  // engine.
  [[nodiscard]] static std::optional<CaptureTurn> try_take();
  // Waits for it.
  [[nodiscard]] static CaptureTurn take();
  ~CaptureTurn();
  CaptureTurn(CaptureTurn&& other) noexcept : held_(std::exchange(other.held_, false)) {}
  CaptureTurn& operator=(CaptureTurn&&) = delete;

 private:
  CaptureTurn() = default;
  bool held_ = true;
};

// Handles and workspaces of libraries belong to a thread and a stream and are made at the first use: not in a capture
// on this lane, where the workspace would come from the graphs' pool and never go back.
void load_libraries(const Lane& lane);

// Calls model(inputs) as it is, on the current stream. Then all is loaded that a capture of it needs, also on the
// streams that its engines go to then.
std::vector<at::Tensor> rehearse(const Model& model, const std::vector<at::Tensor>& inputs);

class CapturedCall {
 public:
  // Captures model(inputs) on the lane's stream, with kernels picked for `target`. Throws what Graph::capture throws.
  CapturedCall(const CaptureTurn& turn, const Lane& lane, std::shared_ptr<GraphPool> pool,
               std::vector<at::Tensor> inputs, const Model& model, KernelTarget target);

  [[nodiscard]] const std::vector<at::Tensor>& inputs() const noexcept { return inputs_; }
  // In the pool; written by every replay.
  [[nodiscard]] const std::vector<at::Tensor>& outputs() const noexcept { return outputs_; }
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  // Enqueues the graph.
  void replay(StreamView stream) const { graph_.launch(stream); }
  // After a replay: gives the caller's tensors what the model wrote to its inputs. On the current stream.
  void write_back(const std::vector<at::Tensor>& inputs, const std::vector<std::size_t>& written) const;
  // The outputs of a replay, on the current stream: copies, or the graph's own. An output that is one of the inputs, or
  // a part of it, is the caller's tensor, as it is without a graph.
  [[nodiscard]] std::vector<at::Tensor> results(const std::vector<at::Tensor>& inputs, bool copies) const;

 private:
  Graph capture(const Lane& lane, const Model& model, KernelTarget target);

  std::shared_ptr<GraphPool> pool_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> outputs_;
  std::vector<std::optional<std::size_t>> inputs_of_outputs_;  // whose memory an output has
  Graph graph_;
};

}  // namespace greenlane::detail

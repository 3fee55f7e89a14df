// A call of a model on fixed memory, captured in a graph.
#pragma once

#include "core/graphs/kernel_targets.hpp"
#include "torch/graphs/graph_pool.hpp"
#include "torch/graphs/graph_random.hpp"

#include <greenlane/core/graph.hpp>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::detail {

using Model = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

// Returns copies of the inputs, for a graph to read from, on the current stream.
// Throws: EngineError if an input is not on the device, or if its memory has gaps or overlaps.
[[nodiscard]] std::vector<at::Tensor> make_static(const std::vector<at::Tensor>& inputs, c10::DeviceIndex device);
// The message of a capture in which an engine would be set to another shape than at its last call. Such a call is
// captured after another call that runs as it is.
inline constexpr const char* kContextChanged =
    "a Torch-TensorRT engine inside is set to more than one shape, and each change needs a call without a graph";

// The writes of a call to tensors that outlive it.
struct CallEffects {
  std::vector<at::Tensor> state;     // other tensors that it writes to
  std::vector<std::size_t> written;  // the inputs that it writes to
  [[nodiscard]] bool any() const noexcept { return !state.empty() || !written.empty(); }
};
// Sorts the tensors that were noted during a call with these inputs.
[[nodiscard]] CallEffects effects_of(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& noted);
// Returns why a replay on copies of these inputs would differ from the call: an input that is written to has memory in
// common with another input, or an input has memory in common with the state. Empty if it would not differ.
[[nodiscard]] std::string aliasing_obstacle(const std::vector<at::Tensor>& inputs, const CallEffects& effects);

// Copies the inputs into a graph's memory, on the current stream.
void copy_into(const std::vector<at::Tensor>& fixed, const std::vector<at::Tensor>& inputs);

// The right to capture. One thread of the process has it at a time, because settings of libraries hold for all threads.
class CaptureTurn {
 public:
  // Takes the right if it is free; absent if it is not. A thread that holds an engine's lock must not wait for the
  // right, because the thread that has it may need that engine.
  [[nodiscard]] static std::optional<CaptureTurn> try_take();
  // Waits for the right, and takes it.
  [[nodiscard]] static CaptureTurn take();
  ~CaptureTurn();
  CaptureTurn(CaptureTurn&& other) noexcept : held_(std::exchange(other.held_, false)) {}
  CaptureTurn& operator=(CaptureTurn&&) = delete;

 private:
  CaptureTurn() = default;
  bool held_ = true;
};

// Makes the libraries' handles and workspaces for this thread and this lane's stream. Without this they would be made
// at their first use, inside the capture: the workspace would come from the graphs' pool and never go back.
void load_libraries(const Lane& lane);

// Calls model(inputs) as it is, on the current stream. Afterwards everything is loaded that a capture of the call
// needs, also on the streams that its engines use in a capture.
std::vector<at::Tensor> rehearse(const Model& model, const std::vector<at::Tensor>& inputs);

class CapturedCall {
 public:
  // Captures model(inputs) on the lane's stream, with kernels picked for `target`.
  // Throws: the errors of Graph::capture; std::runtime_error if it draws random numbers that cannot be captured.
  CapturedCall(const CaptureTurn& turn, const Lane& lane, std::shared_ptr<GraphPool> pool,
               std::vector<at::Tensor> inputs, const Model& model, KernelTarget target);

  [[nodiscard]] const std::vector<at::Tensor>& inputs() const noexcept { return inputs_; }
  // The graph's own outputs, in the pool; every replay overwrites them.
  [[nodiscard]] const std::vector<at::Tensor>& outputs() const noexcept { return outputs_; }
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  // Replaces the graph by the same one on other units. Returns the former one.
  [[nodiscard]] Graph exchange(Graph graph) { return std::exchange(graph_, std::move(graph)); }
  // Takes the random numbers for the next replay from the generator (undefined: the device's default generator), on
  // the current stream.
  void draw(const at::Generator& generator) {
    if (random_) random_->draw(generator);
  }
  // Tells the allocator that replays on this stream use the graph's memory.
  void record_on(c10::cuda::CUDAStream stream) const;
  // Enqueues the graph on a stream.
  void replay(StreamView stream) const { graph_.launch(stream); }
  // Copies the model's writes to its inputs into the caller's tensors, after a replay, on the current stream.
  void write_back(const std::vector<at::Tensor>& inputs, const std::vector<std::size_t>& written) const;
  // Returns the outputs of a replay, on the current stream: copies, or the graph's own tensors. An output that is an
  // input, or a part of one, is the caller's tensor, as it is without a graph.
  [[nodiscard]] std::vector<at::Tensor> results(const std::vector<at::Tensor>& inputs, bool copies) const;

 private:
  Graph capture(const Lane& lane, const Model& model, KernelTarget target);
  Graph capture_once(const Lane& lane, const Model& model, KernelTarget target);

  std::shared_ptr<GraphPool> pool_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::Tensor> outputs_;
  std::vector<std::optional<std::size_t>> inputs_of_outputs_;  // index of the input whose memory an output has
  std::optional<GraphRandom> random_;                          // if it draws random numbers
  Graph graph_;
};

}  // namespace greenlane::detail

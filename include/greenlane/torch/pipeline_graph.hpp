// Several engines on several lanes as one CUDA graph.
#pragma once

#include <greenlane/torch/resident_graph.hpp>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace greenlane {

// A whole pipeline that was captured once and is launched as one piece of work, on any stream: every bound engine's
// part runs in its own lane's units, and what is bound nowhere on the whole device.
//
//   auto graph = PipelineGraph::capture(gpu, {picture, state}, [&](const auto& in) {
//     const auto seen = concurrently(gpu, {[&] { return vision->run({in[0]}); }, [&] { return policy->run({in[1]});
//     }}); return head->run({seen[0][0], seen[1][0]});
//   });
//   auto actions = graph->run({picture, state});
//
// Stream order: run() is ordered with the caller's current stream as any operator is, and after earlier runs. Not
// within a capture. It stays as it was captured: engines that are bound elsewhere later run in it where they were.
// Lanes' priorities are not kept. Two graphs that hold one engine share what libraries scratch on for it, and must not
// run at the same time. Thread safety: all members. It keeps the lanes that it needs alive, not the engines: their
// weights must live as long.
class PipelineGraph {
 public:
  using Work = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

  // Runs `work` once as it is, puts back the buffers, inputs and random numbers that this run changed, and captures it
  // then, on fixed tensors like the inputs. Inputs that it writes to are written back after each run. Within it
  // engines' own resident graphs are not used. Waits for the device. Throws EngineError where an input is not on the
  // device, StreamError where the work cannot be captured, and what `work` throws.
  [[nodiscard]] static std::shared_ptr<PipelineGraph> capture(const Device& device,
                                                              const std::vector<at::Tensor>& inputs, const Work& work,
                                                              GraphOutputs outputs = GraphOutputs::copies);
  ~PipelineGraph();
  PipelineGraph(const PipelineGraph&) = delete;
  PipelineGraph& operator=(const PipelineGraph&) = delete;

  // Throws EngineError where the inputs are not like those at capture.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);
  // Of the device, that it holds.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit PipelineGraph(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A stream for one branch of what concurrently() does, for those who cannot call that. While a graph is captured with
// PipelineGraph it is the graph's, and nobody else gets it.
[[nodiscard]] Lane branch_lane(const Device& device);

// Runs each branch with a stream of its own as the caller's: all of them begin after what is on the current stream, and
// what comes after this waits for all. Branches are called one after another; their work on the device overlaps. What
// they return may be used on the current stream. On the CPU they simply run. In a capture they become its branches.
// Throws what a branch throws, joined with those before it.
[[nodiscard]] std::vector<std::vector<at::Tensor>> concurrently(
    const Device& device, const std::vector<std::function<std::vector<at::Tensor>()>>& branches);

}  // namespace greenlane

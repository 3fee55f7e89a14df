// Several engines on several lanes as one CUDA graph.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/torch/graphs.hpp>

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

namespace greenlane {

/// A pipeline that was captured once and is launched as one piece of work, on any stream. Each bound engine's part runs
/// on its lane's units; unbound work runs on the whole device.
///
///     auto graph = PipelineGraph::capture(gpu, {picture, state}, [&](const auto& in) {
///       const auto seen = concurrently(
///           gpu, {[&] { return vision->run({in[0]}); }, [&] { return policy->run({in[1]}); }});
///       return head->run({seen[0][0], seen[1][0]});
///     });
///     auto actions = graph->run({picture, state});
///
/// Stream order: run() is ordered with the caller's current stream as any operator is, and after earlier runs. It
/// cannot be called within a capture.
/// Limits: the graph does not change. Engines that are bound elsewhere later still run on their former units in it. The
/// lanes' priorities are not kept. Two graphs that hold one engine share its libraries' scratch memory and must not run
/// at the same time.
/// Lifetime: keeps the lanes it needs alive, but not the engines. Their weights must live as long as the graph.
/// Thread safety: all members may be called from any thread.
class PipelineGraph {
 public:
  /// The work to capture: calls engines and returns the outputs.
  using Work = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

  /// Runs `work` once as it is, restores the buffers, inputs and random numbers that this run changed, and then
  /// captures `work` on fixed tensors like the inputs. Inputs that `work` writes to are written back after each run.
  /// Resident graphs of engines are not used within the capture. Waits for the device.
  /// Throws: EngineError if an input is not on the device; StreamError if the work cannot be captured; what `work`
  /// throws.
  [[nodiscard]] static std::shared_ptr<PipelineGraph> capture(const Device& device,
                                                              const std::vector<at::Tensor>& inputs, const Work& work,
                                                              GraphOutputs outputs = GraphOutputs::copies);
  ~PipelineGraph();
  PipelineGraph(const PipelineGraph&) = delete;
  PipelineGraph& operator=(const PipelineGraph&) = delete;

  /// Throws: EngineError if the inputs are not like those at capture.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);
  /// Bytes of device memory that it holds.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Impl;
  explicit PipelineGraph(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Runs each branch with a separate stream as the caller's stream. On the CPU the branches simply run. In a capture
/// they become branches of the graph, which keeps their streams for as long as it exists.
/// Stream order: every branch begins after the current stream's work, and the current stream's later work waits for all
/// branches. Branches are called one after another; their work on the device overlaps. Their results may be used on the
/// current stream.
/// Throws: what a branch throws, after the earlier branches are joined.
[[nodiscard]] std::vector<std::vector<at::Tensor>> concurrently(
    const Device& device, const std::vector<std::function<std::vector<at::Tensor>()>>& branches);

}  // namespace greenlane

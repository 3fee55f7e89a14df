// CUDA graphs of an engine that stay on its lane's units, with kernels picked for that number of units.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/detail/core/captured_work.hpp>
#include <greenlane/detail/core/kernel_code.hpp>
#include <greenlane/detail/torch/bound_call.hpp>
#include <greenlane/torch/graphs.hpp>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace greenlane {

// The graphs of one engine. While the engine is bound to a lane, its second call with inputs of some shape is captured
// on a separate stream on the lane's units. Later calls of that shape copy their inputs into the graph's memory and
// replay the graph on the lane. A call that cannot be captured runs without a graph, with one warning. Rebinding moves
// the graphs to the new units at once, with the kernels and slices that they have. A graph that cannot be moved is
// freed and captured anew, and new graphs use its memory. Work of the former lane is done before the first work on the
// new lane.
// If an engine inside this one is bound elsewhere, the graph is captured anew. Calls that go into a graph of the caller
// are captured only there.
//
// A graph changes nothing but speed. Inputs that the engine writes to are written back to the caller's tensors. An
// output that is an input is the caller's tensor. Other state that the engine changes is restored before and after each
// run that times kernels. If an input that is written to shares memory with another input, the call runs without a
// graph.
//
// The engine must read its inputs from the given tensors and do nothing on the host that every call needs. Choices by
// PyTorch's process-wide settings (TF32, the attention backend) are fixed at the capture.
//
// Random numbers of the device's default generator are those of the call without a graph: each replay takes its seed
// and offset from a generator, which it moves on. With PyTorch 2.11, work that draws numbers is captured only while a
// pipeline opens. Numbers of other generators cannot be captured.
//
// One thread of the process captures at a time, because the libraries' settings apply to all threads: matrix products
// that other threads enqueue in that millisecond may get kernels for fewer units. A call that finds another thread
// capturing runs without a graph and is captured later. Other threads are not disturbed otherwise.
//
// Thread safety: all members may be called from any thread.
class ResidentGraphs final : public CapturedWork {
 public:
  // Runs the model on the current stream, on exactly these tensors.
  using Model = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

  // Replays draw random numbers from the generator; undefined: from the device's default generator.
  ResidentGraphs(const StreamBinding& binding, GraphOptions options, at::Generator generator = {});
  ~ResidentGraphs() override;
  ResidentGraphs(const ResidentGraphs&) = delete;
  ResidentGraphs& operator=(const ResidentGraphs&) = delete;

  // Properties of a call besides its tensors.
  struct Kind {
    std::int64_t variant = 0;   // distinguishes calls that differ in more than their tensors
    bool repeatable = true;     // false: the model runs exactly as often as it is called, and kernels are not tuned
    std::uint64_t context = 0;  // if it changed since the last call of its kind, that call runs as it is
    bool urgent = false;        // launched whole despite set_gates(), because it would wait for itself
    std::optional<GraphOutputs> outputs{};  // absent: as in the options
  };
  // Runs one call of the engine, within `call`.
  // Throws: what the model throws.
  [[nodiscard]] std::vector<at::Tensor> run(const BoundCall& call, const std::vector<at::Tensor>& inputs, Kind kind,
                                            const Model& model);
  // Gives the code of the engine's kernels, for graphs that move.
  void set_kernel_code(std::shared_ptr<KernelCode> code);
  // Captures each moved graph anew at its next call, with kernels picked for the units that it is on.
  void retune();
  // Frees the graphs of this variant, which is not called again.
  void forget(std::int64_t variant);
  [[nodiscard]] GraphReport report() const;
  // As report(), but returns nothing while a call is being enqueued, which takes as long as the call if its graph is
  // cut.
  [[nodiscard]] std::optional<GraphReport> report_if_idle() const;

  // Launches graphs, from the next call on, in slices that let urgent engines on the lane's units pass. Absent: whole.
  // Each graph is cut once, at its next call. A sliced call returns when its last slice is launched.
  void set_gates(const std::optional<SliceOptions>& slices);

  [[nodiscard]] std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For engines with writes that C++ does not see. collects_writes() returns true if some call in this thread collects
// writes. note_write() reports a write; call it before each write to a tensor that outlives the call.
// Thread safety: any thread; each thread's calls concern that thread only.
[[nodiscard]] bool collects_writes() noexcept;
void note_write(const at::Tensor& tensor);

// Returns the time just before this thread last launched a whole graph of an engine; the clock's beginning: never. An
// idle device begins with the graph some microseconds later.
// Thread safety: any thread.
[[nodiscard]] std::chrono::steady_clock::time_point last_launch() noexcept;

}  // namespace greenlane

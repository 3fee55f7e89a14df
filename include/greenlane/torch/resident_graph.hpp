// CUDA graphs of an engine that stay in its lane's units, with kernels picked for so many of them.
#pragma once

#include <greenlane/core/graphs/captured_work.hpp>
#include <greenlane/core/graphs/sliced_graph.hpp>
#include <greenlane/torch/bound_call.hpp>

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace greenlane {

// Whether an engine's calls are replayed from CUDA graphs while it is bound to a lane.
enum class Graphs { off, resident };

// What a replayed call returns.
enum class GraphOutputs {
  copies,  // as any call does
  views,   // the graph's own memory, which the engine's next call overwrites: saves a copy for who is done by then
};

struct GraphOptions {
  GraphOutputs outputs = GraphOutputs::copies;
  // Whether libraries such as cuBLAS are told for how many units to pick kernels. Several numbers are captured and
  // timed once for each size of partition and shape of inputs, and the fastest is kept; the model runs a few dozen
  // times more on the same inputs for it, and what these runs change is put back. Off: kernels are picked for the whole
  // device.
  bool tune_kernels = true;
  // How many graphs are kept, of different shapes of inputs; those used last.
  std::size_t capacity = 8;
};

// One graph of an engine.
struct GraphInfo {
  int units = 0;                    // where it runs
  std::optional<int> kernel_units;  // for which its kernels were picked; absent: for the whole device
  std::uint64_t replays = 0;
  int slices = 1;                             // that it is launched in
  std::chrono::nanoseconds longest_slice{0};  // as measured; 0: not
  int look_ahead = 0;                         // slices that wait on the device behind the one that runs
  std::string gate_obstacle;                  // why it is not cut, though it should be
};

struct GraphReport {
  std::vector<GraphInfo> graphs;  // the one used last first
  std::uint64_t bytes = 0;        // of the device, that they hold
  std::string obstacle;           // why calls of some shape are not captured; empty where there are none
};

// The graphs of one engine. While the engine is bound to a lane, its second call with inputs of some shape is captured
// on a stream of its own on the lane's units; from then on such calls copy their inputs into the graph's memory and
// replay it on the lane. What cannot be captured runs as it would without graphs, with one warning. Rebinding frees the
// graphs of other units, whose memory is used for the next ones; their work is done before the first work on the new
// lane. Where an engine inside this one is bound otherwise, it is captured anew. Calls that go into a graph of the
// caller's are captured there and not here.
//
// A graph changes nothing but speed. Inputs that the engine writes to are written back to the caller's tensors, an
// output that is an input is the caller's tensor, and what the engine changes beside them is put back before and after
// each run that times kernels. Where an input that is written to has memory in common with another, the call runs
// without a graph.
//
// The engine must read its inputs from the tensors that it is given and do nothing on the host that must be done in
// every call. What PyTorch's process-wide settings choose (TF32, the backend of attention) is chosen at the capture.
// Random numbers cannot be captured: pass noise as an input.
//
// One thread of the process captures at a time, since what libraries are told is told for all threads: matrix products
// that others enqueue in that millisecond may get kernels for fewer units. A call that finds another thread capturing
// runs without a graph, and is captured later. Otherwise other threads are not disturbed.
//
// Thread safety: all members.
class ResidentGraphs final : public CapturedWork {
 public:
  // Runs on the current stream, on just these tensors.
  using Model = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

  ResidentGraphs(const StreamBinding& binding, GraphOptions options);
  ~ResidentGraphs() override;
  ResidentGraphs(const ResidentGraphs&) = delete;
  ResidentGraphs& operator=(const ResidentGraphs&) = delete;

  // What a call is beside its tensors.
  struct Kind {
    std::int64_t variant = 0;  // tells calls apart that differ in more than their tensors
    bool repeatable = true;    // else the model runs as often as it is called, and kernels are not tuned
    bool urgent = false;       // launched whole, whatever set_gates() says: it would wait for itself
  };
  // One call of the engine, within `call`. Throws what the model throws.
  [[nodiscard]] std::vector<at::Tensor> run(const BoundCall& call, const std::vector<at::Tensor>& inputs, Kind kind,
                                            const Model& model);
  [[nodiscard]] GraphReport report() const;

  // From the next call on graphs are launched in slices, which let urgent engines pass that share the lane's units; cut
  // at that call, once for each graph. Absent: whole. Such a call returns when its last slice is launched.
  void set_gates(const std::optional<SliceOptions>& slices);

  [[nodiscard]] std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For engines whose writes C++ does not see. Whether anybody asks what calls in this thread write to; and the answer,
// given before each write to a tensor that outlives the call. Thread safety: both, each thread for itself.
[[nodiscard]] bool collects_writes() noexcept;
void note_write(const at::Tensor& tensor);

}  // namespace greenlane

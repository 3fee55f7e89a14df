// Modules of a program as engines: functions from tensors to tensors that run on a lane.
#pragma once

#include "torch/engine_random.hpp"
#include "torch/urgency.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/torch/resident_graph.hpp>
#include <greenlane/torch/graphs.hpp>

#include <ATen/core/Tensor.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane::detail {

// Thrown by a model whose calls do what no graph would do.
class NotCapturable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct ModuleOptions {
  std::string name{};                   // the engine's
  std::string module{};                 // the module's own, in messages
  bool in_python = false;               // each call calls the module, with inputs of any shapes
  bool tune_kernels = true;             // see GraphOptions
  bool stateful = false;                // it is run exactly as often as it is called
  std::optional<std::uint64_t> seed{};  // see AotiOptions
};

// On a GPU, the first calls after bind() call the module and capture it. Later calls replay the graph and never call
// the module, so they need no lock of its language. They take inputs of the recorded shapes and dtypes. On a CPU, and
// with `in_python`, each call calls the module.
//
// A module that cannot be captured is an error. A module that is stateful is captured at its second call.
//
// Stream order: as AotiEngine.
// Thread safety: all members may be called from any thread, except that bind(), unbind() and recapture() are called
// while no call is under way or about to begin.
class ModuleEngine {
 public:
  using Model = ResidentGraphs::Model;

  // Calls `model` once on the recorded inputs, unless it is stateful, to learn its writes, which are put back. `model`
  // is called from any thread, one call at a time.
  // Throws: EngineError if it fails.
  ModuleEngine(const Device& device, ModuleOptions options, Model model, const std::vector<at::Tensor>& recorded);

  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const Device& device() const noexcept { return device_; }
  // Returns true if each call calls the module.
  [[nodiscard]] bool is_in_python() const noexcept { return !captures_; }
  [[nodiscard]] bool is_stateful() const noexcept { return options_.stateful; }
  // The tensors that calls write to, besides inputs and outputs; empty if it is stateful.
  [[nodiscard]] const std::vector<at::Tensor>& state() const noexcept { return state_; }
  [[nodiscard]] bool writes_input(std::size_t index) const { return writes_[index]; }
  // Begins the random numbers of its seed anew; nothing happens without a seed.
  void reset_random() { random_.reset(); }
  // Throws: EngineError if the inputs do not fit.
  void check(const std::vector<at::Tensor>& inputs, bool are_on_host = false) const;

  void bind(const Lane& lane);
  void unbind();
  void set_urgent(std::optional<std::chrono::nanoseconds> deadline);
  void expect_call(std::chrono::steady_clock::time_point from);
  void set_gates(const std::optional<SliceOptions>& slices);
  [[nodiscard]] std::optional<GraphReport> graphs() const;
  // As graphs(), but returns nothing while a call is being enqueued, instead of waiting for it.
  [[nodiscard]] std::optional<GraphReport> graphs_if_idle() const;

  // Runs once, as AotiEngine::run().
  // Throws: EngineError if the inputs do not fit, the module fails, or it cannot be captured.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs,
                                            std::optional<GraphOutputs> outputs = {});

  // Captures the module as it is now, on the recorded inputs, and puts back what this writes to. If it fails, the
  // present graph stays. Nothing happens if each call calls the module.
  // Throws: as run().
  void recapture(const std::vector<at::Tensor>& inputs);

 private:
  struct Kind {
    std::optional<GraphOutputs> outputs;
    bool urgent = false;
  };
  [[nodiscard]] bool on_gpu() const { return device_.id().kind == DeviceKind::cuda; }
  void learn_writes(const std::vector<at::Tensor>& recorded);
  [[nodiscard]] std::shared_ptr<ResidentGraphs> new_graphs();
  // Returns the inputs with the recorded strides, which are a part of the graph's key.
  [[nodiscard]] std::vector<at::Tensor> laid_out(const std::vector<at::Tensor>& inputs) const;
  [[nodiscard]] std::vector<at::Tensor> run_graphs(const BoundCall& call, const std::vector<at::Tensor>& inputs,
                                                   Kind kind);
  // Notes whether there is a graph.
  // Throws: EngineError if there can be none.
  void look_for_graph();
  [[noreturn]] void refuse_capture(const std::string& why) const;
  // Calls the module.
  // Throws: EngineError, which names the engine.
  [[nodiscard]] std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs) const;

  Device device_;
  ModuleOptions options_;
  Model model_;                   // see call()
  std::vector<at::Tensor> like_;  // tensors without memory, of the recorded inputs' shapes, strides and dtypes
  std::vector<at::Tensor> state_;
  std::vector<bool> writes_;  // for each input
  StreamBinding binding_;
  EngineRandom random_;
  Urgency urgency_;
  bool captures_;                           // false: each call calls the module
  mutable ForkSafeMutex mutex_{};           // held by calls that use graphs; guards the following members
  std::shared_ptr<ResidentGraphs> graphs_;  // null if nothing is captured
  std::optional<SliceOptions> slices_;
  bool is_captured_ = false;
};

}  // namespace greenlane::detail

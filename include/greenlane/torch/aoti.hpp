// AOTInductor packages (`.pt2`) as engines on lanes.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/torch/resident_graph.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace greenlane {

struct AotiOptions {
  // Where the engine runs; absent: on the caller's stream (or thread), until bind() is called.
  std::optional<Lane> lane{};
  // Absent: the lane's device, else the kind that the package was compiled for (index 0 on CUDA).
  std::optional<DeviceId> device{};
  // For messages and reports; empty: the file's stem.
  std::string name{};
  // Which model of a package that holds several.
  std::string model = "model";
  // How many calls of the engine may be enqueued at once from several threads.
  std::size_t num_runners = 1;
  // Without completion events between calls: needed to capture the engine in a CUDA graph of the caller's, with one
  // runner. Calls from several threads are then enqueued one after another.
  bool single_threaded = false;
  // Resident: while the engine is bound to a lane of a GPU, its calls are replayed from CUDA graphs
  // (resident_graph.hpp). Takes one runner, single-threaded. Nothing changes on a CPU.
  Graphs graphs = Graphs::off;
  GraphOptions graph_options{};
  // The package keeps state that its source does not show: in objects of custom classes, or in custom operators. It is
  // then run exactly as often as it is called: no kernels are tuned, and no slices measured.
  bool stateful = false;
  // On a GPU: see set_urgent() and set_gates().
  std::optional<std::chrono::nanoseconds> urgent{};
  std::optional<SliceOptions> gates{};
};

// An engine inside a package: an object of a custom class that greenlane can bind (see bindable.hpp).
struct InnerEngine {
  // By its own metadata, e.g. "_run_on_acc_0_engine"; not necessarily unique.
  std::string name;
  // By the package; unique.
  std::string key;
  std::shared_ptr<StreamBinding> binding;
};

// A run that was submitted. Where it goes before the run is done, see LaneWork. Thread safety: none.
class EngineRun {
 public:
  // Whether it is done, after this time at most.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const { return !work_ || work_->wait_for(time); }
  // See LaneWork::cancel().
  [[nodiscard]] bool cancel() const noexcept { return !work_ || work_->cancel(); }
  // The outputs; waits for them. Throws as AotiEngine::run(). Once.
  [[nodiscard]] std::vector<at::Tensor> outputs() {
    if (work_) work_->get();
    return std::move(*outputs_);
  }

 private:
  friend class AotiEngine;
  std::optional<LaneWork> work_;  // absent: it is done
  std::shared_ptr<std::vector<at::Tensor>> outputs_ = std::make_shared<std::vector<at::Tensor>>();
};

// A loaded package. Calls are enqueued on its lane and join the caller's current stream (of the engine's device,
// whatever device is current): the engine waits for what the caller enqueued before, the caller's later work for the
// engine. Thread safety: all members.
class AotiEngine : public std::enable_shared_from_this<AotiEngine> {
 public:
  ~AotiEngine();
  AotiEngine(const AotiEngine&) = delete;
  AotiEngine& operator=(const AotiEngine&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const Device& device() const noexcept;
  [[nodiscard]] const Signature& signature() const noexcept;
  // What the compiler wrote into the package (AOTI_DEVICE_KEY and others), and the user's own.
  [[nodiscard]] const std::unordered_map<std::string, std::string>& metadata() const noexcept;
  // How the exported model's arguments and results are nested: torch.utils._pytree's treespecs of both, as JSON.
  [[nodiscard]] std::vector<std::string> call_spec() const;

  // Runs the model once. Inputs: the flattened arguments, on the engine's device; they may be dropped or reused as soon
  // as this returns, as with any PyTorch operator. Outputs: ready on the caller's stream, not necessarily on the host.
  // On a CPU lane it returns when the model is done.
  // Throws EngineError, before anything is enqueued, where the inputs do not fit.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

  // As run(), for callers that may stop waiting, as at Ctrl-C. On a CPU lane it returns when the run is queued;
  // elsewhere when run() would. The run holds the engine.
  [[nodiscard]] EngineRun submit(std::vector<at::Tensor> inputs);

  // From the next call on, on this lane. Throws StreamError when the lane is closed or of another device.
  void bind(const Lane& lane);
  // On a stream that the caller made; `keep_alive`, where given, is held for as long as anybody needs the stream, and a
  // raw handle without it must live that long. Throws StreamError for a null or reserved handle, a stream of another
  // device, one that is being captured, and one of a closed lane; the binding is then as it was.
  void bind(StreamView stream, std::shared_ptr<const void> keep_alive = {});
  void unbind();
  // What it is bound to; a bound stream shows as a lane that adopted it.
  [[nodiscard]] std::optional<Lane> lane() const;
  // Urgent: its calls close the device's gate, until their work is done there, for the engines with gates that share
  // its units; at most for five times this deadline. Absent: not. Nothing changes on a CPU, where engines yield to each
  // other between their calls alone.
  void set_urgent(std::optional<std::chrono::nanoseconds> deadline);
  // An urgent call is to come: closes the gate for it from this time on. See UrgentEngine::expect.
  void expect_call(Gate::Clock::time_point from = Gate::Clock::now());
  // Its resident graphs are launched in slices that let urgent engines pass; absent, and while it is urgent: whole.
  // Throws EngineError where it was loaded without graphs. Nothing changes on a CPU.
  void set_gates(const std::optional<SliceOptions>& slices);

  // Those of its constants that calls write to, such as a cache: the memory itself, no copies. All constants where the
  // package has no source. Found in the package's source; see docs/architecture.md for the limits.
  [[nodiscard]] const std::vector<at::Tensor>& state() const noexcept;
  // Whether it was loaded as stateful.
  [[nodiscard]] bool is_stateful() const noexcept;
  // Whether calls may write to this input; true where the package has no source.
  [[nodiscard]] bool writes_input(std::size_t index) const;

  // Its CUDA graphs; nothing where it was loaded without.
  [[nodiscard]] std::optional<GraphReport> graphs() const;
  // The choice itself, for bind_all(); lives as long as the engine.
  [[nodiscard]] StreamBinding& binding() noexcept;

  // The engines inside, each with a binding of its own, in the order of their keys. Those that are not bound run where
  // their kind of engine runs by itself when it is called on this engine's stream. Several runners share them. Throws
  // EngineError where PyTorch does not give them out (before 2.13).
  [[nodiscard]] std::vector<InnerEngine> inner_engines() const;
  // Binds engines inside by name or key, all or none. Throws EngineError listing the names that match nothing or more
  // than one, or for a PyTorch before 2.13, and StreamError as bind() does.
  void bind_inner(const std::vector<std::pair<std::string, Lane>>& lanes);

 private:
  friend std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options);
  struct Impl;
  explicit AotiEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Loads a package. It is native code: load what you trust. Loads one at a time in a process, because AOTInductor's
// loader does not stand being called from two threads. Throws EngineError (no such file or model, another architecture)
// or DeviceError (its device is not here).
[[nodiscard]] std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options = {});

}  // namespace greenlane

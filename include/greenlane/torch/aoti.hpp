// AOTInductor packages (`.pt2`) as engines on lanes.
#pragma once

#include <greenlane/core/gate.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/lane_work.hpp>
#include <greenlane/torch/graphs.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace greenlane {

class StreamBinding;

namespace detail {
struct Access;
}  // namespace detail

/// The choices for loading a package.
struct AotiOptions {
  /// Absent: on the caller's stream (or thread), until bind() is called.
  std::optional<Lane> lane{};
  /// Absent: the lane's device, else the kind that the package was compiled for (index 0 on CUDA).
  std::optional<DeviceId> device{};
  /// The name in messages and reports; empty: the file's stem.
  std::string name{};
  /// The model's name in a package that holds several.
  std::string model = "model";
  /// The number of calls that several threads may enqueue at once: 1 to 1024.
  std::size_t num_runners = 1;
  /// Without completion events between calls. Needed to capture the engine in a CUDA graph of the caller. Requires one
  /// runner. Calls from several threads are then enqueued one after another.
  bool single_threaded = false;
  /// resident: while the engine is bound to a lane of a GPU, its calls are replayed from CUDA graphs
  /// (graphs.hpp). Requires one runner and implies single_threaded. No effect on a CPU.
  Graphs graphs = Graphs::off;
  /// See `graphs`.
  GraphOptions graph_options{};
  /// The package keeps state that its source does not show: in objects of custom classes, or in custom operators. It
  /// then runs exactly as often as it is called: no kernels are tuned, and no slices are measured.
  bool stateful = false;
  /// With resident graphs: the seed of a generator of the engine's own, from which replays draw random numbers. Absent:
  /// the device's default generator. Calls without a graph draw from that one in any case.
  std::optional<std::uint64_t> seed{};
  /// For a GPU: see set_urgent() and set_gates().
  std::optional<std::chrono::nanoseconds> urgent{};
  /// For a GPU: see set_gates().
  std::optional<SliceOptions> gates{};
};

/// An engine inside a package: an object of a custom class that greenlane can bind (see bindable.hpp).
struct InnerEngine {
  /// From the engine's own metadata, such as "_run_on_acc_0_engine"; not necessarily unique.
  std::string name;
  /// From the package; unique.
  std::string key;
  /// The engine's own binding.
  std::shared_ptr<StreamBinding> binding;
};

/// A submitted run. If it is destroyed before the run is done, the run is treated as LaneWork describes.
/// Thread safety: none.
class EngineRun {
 public:
  /// Waits until the run is done, or for `time` at most. Returns whether it is done.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const { return !work_ || work_->wait_for(time); }
  /// See LaneWork::cancel().
  [[nodiscard]] bool cancel() const noexcept { return !work_ || work_->cancel(); }
  /// Waits for the outputs and returns them. Call it once.
  /// Throws: as AotiEngine::run().
  [[nodiscard]] std::vector<at::Tensor> outputs() {
    if (work_) work_->get();
    return std::move(*outputs_);
  }

 private:
  friend struct detail::Access;
  EngineRun(std::optional<LaneWork> work, std::shared_ptr<std::vector<at::Tensor>> outputs)
      : work_(std::move(work)), outputs_(std::move(outputs)) {}
  std::optional<LaneWork> work_;  // absent: it is done
  std::shared_ptr<std::vector<at::Tensor>> outputs_;
};

/// A loaded package.
/// Stream order: calls are enqueued on its lane and join the caller's current stream (of the engine's device, whatever
/// device is current). The engine waits for the caller's earlier work, and the caller's later work waits for the
/// engine.
/// Thread safety: all members may be called from any thread.
class AotiEngine : public std::enable_shared_from_this<AotiEngine> {
 public:
  ~AotiEngine();
  AotiEngine(const AotiEngine&) = delete;
  AotiEngine& operator=(const AotiEngine&) = delete;

  /// Returns the name in messages and reports.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Returns the device that the engine runs on.
  [[nodiscard]] const Device& device() const noexcept;
  /// Returns the inputs that it expects.
  [[nodiscard]] const Signature& signature() const noexcept;
  /// Metadata that the compiler wrote into the package (AOTI_DEVICE_KEY and others), and the user's own.
  [[nodiscard]] const std::unordered_map<std::string, std::string>& metadata() const noexcept;
  /// The nesting of the exported model's arguments and results: two torch.utils._pytree treespecs, as JSON.
  [[nodiscard]] std::vector<std::string> call_spec() const;

  /// Runs the model once. `inputs` are the flattened arguments, on the engine's device. They may be dropped or reused
  /// as soon as this returns, as with any PyTorch operator. On a CPU lane it returns when the model is done. `outputs`:
  /// the kind of outputs of a replayed call; absent: as the engine was loaded.
  /// Stream order: outputs are ready on the caller's stream, not necessarily on the host.
  /// Throws: EngineError, before anything is enqueued, if the inputs do not fit.
  [[nodiscard]] std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs,
                                            std::optional<GraphOutputs> outputs = {});

  /// Runs the model as run() does, for callers that may stop waiting, for example at Ctrl-C. On a CPU lane it returns
  /// when the run is queued; elsewhere when run() would.
  /// Lifetime: the run holds the engine.
  [[nodiscard]] EngineRun submit(std::vector<at::Tensor> inputs);

  /// Runs later calls on this lane. Lane::adopt makes a lane of a stream that the caller made.
  /// Throws: StreamError when the lane is closed or belongs to another device.
  void bind(const Lane& lane);
  /// Removes the binding: later calls run on the caller's stream.
  void unbind();
  /// Returns the bound lane.
  [[nodiscard]] std::optional<Lane> lane() const;
  /// Makes the engine urgent; absent: not urgent. Each of its calls closes the device's gate for gated engines on its
  /// units, until its work on the device is done, but for at most five times this deadline. No effect on a CPU, where
  /// engines yield to each other only between their calls.
  void set_urgent(std::optional<std::chrono::nanoseconds> deadline);
  /// Announces an urgent call: closes the gate for it from this time on. See UrgentEngine::expect.
  void expect_call(std::chrono::steady_clock::time_point from = std::chrono::steady_clock::now());
  /// Launches its resident graphs in slices that let urgent engines pass. Absent, or while the engine is urgent: whole.
  /// No effect on a CPU.
  /// Throws: EngineError if the engine was loaded without graphs.
  void set_gates(const std::optional<SliceOptions>& slices);

  /// The constants that calls write to, such as a cache: the memory itself, not copies. All constants if the package
  /// has no source. Found in the package's source; docs/architecture.md gives the limits.
  [[nodiscard]] const std::vector<at::Tensor>& state() const noexcept;
  /// Begins the random numbers of its seed anew; nothing happens without a seed.
  void reset_random();
  /// Returns true if it was loaded as stateful.
  [[nodiscard]] bool is_stateful() const noexcept;
  /// Returns true if calls may write to this input, and always if the package has no source.
  [[nodiscard]] bool writes_input(std::size_t index) const;

  /// Captures each graph that moved with a rebind anew at its next call, with kernels picked for its present units. A
  /// moved graph has those of its former units. Call it where a slow call does no harm.
  void retune();
  /// Its CUDA graphs; nothing if it was loaded without.
  [[nodiscard]] std::optional<GraphReport> graphs() const;
  /// As graphs(), but returns nothing while a call is being enqueued, instead of waiting for it.
  [[nodiscard]] std::optional<GraphReport> graphs_if_idle() const;
  /// Returns the binding, for bind_all().
  /// Lifetime: the binding lives as long as the engine.
  [[nodiscard]] StreamBinding& binding() noexcept;

  /// Returns the engines inside the package, each with a separate binding, in the order of their keys. An inner engine
  /// that is not bound chooses its stream as its kind does when called on this engine's stream. Several runners share
  /// the inner engines.
  /// Throws: EngineError if PyTorch does not expose them (before 2.13).
  [[nodiscard]] std::vector<InnerEngine> inner_engines() const;
  /// Binds engines inside by name or key, all or none.
  /// Throws: EngineError for names with no match or several, listing them, and for a PyTorch before 2.13; StreamError
  /// as bind() does.
  void bind_inner(const std::vector<std::pair<std::string, Lane>>& lanes);

 private:
  friend struct detail::Access;
  struct Impl;
  explicit AotiEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Loads a package, one at a time in a process, because AOTInductor's loader must not be called from two threads. A
/// package is native code: load only packages that you trust.
/// Throws: EngineError (no such file or model, another architecture); DeviceError (its device is not here).
[[nodiscard]] std::shared_ptr<AotiEngine> load_aoti(const std::string& path, AotiOptions options = {});

}  // namespace greenlane

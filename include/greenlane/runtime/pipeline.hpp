// Pipelines: engines that are opened from a TOML file and a plan, and that serve a program's own requests.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/runtime/edges.hpp>
#include <greenlane/runtime/stats.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenlane {

namespace detail {
struct Access;
}  // namespace detail
namespace runtime {
struct LiveEngine;
class LivePipeline;
class Request;
class ServedEngine;
}  // namespace runtime

/// The choices for opening a pipeline.
struct PipelineOptions {
  /// The plan's file. Empty: the lanes of the TOML file; if that sets no units, they are planned from a quick profile.
  std::filesystem::path plan{};
  /// Takes a plan that was made for another device, too.
  bool plan_of_another_device = false;
  /// lanes, gates, shared or priority. Empty: the plan's mode, or lanes.
  std::string mode{};
  /// Called for runs that missed their deadlines, one at a time, on a thread of the pipeline. Misses that come while
  /// 1000 others wait for it are not reported; stats() counts all. Exceptions that leave it become warnings.
  std::function<void(const Miss&)> on_miss{};
  /// Serves metrics for Prometheus at this address: HOST:PORT, or a port of this machine, 0 for a free one. Empty:
  /// none. Absent: `metrics` of the file.
  std::optional<std::string> metrics{};
};

/// The choices for one request.
struct RequestOptions {
  /// From now. Absent: the engine's deadline.
  std::optional<std::chrono::nanoseconds> deadline{};
  /// On: a request whose deadline passed before it begins is not run, and ends with RequestError. Off: it is run late.
  bool drop_if_late = true;
  /// 1 runs before 2, and so on; 0: after all others. Requests of one priority run in the order of arrival.
  std::uint32_t priority = 0;
};

/// A run that was submitted to an engine. It ends exactly once: with outputs, with an error, or because it was not run.
/// Thread safety: all members may be called from any thread; outputs() once.
/// Lifetime: a shared handle, which may outlive the pipeline. The run goes on without it.
class PipelineRun {
 public:
  /// Waits until it has ended, or for `time` at most. Returns whether it has ended.
  /// Throws: StreamError in a process that was forked since, where it never ends.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const;
  /// Returns whether it has ended.
  [[nodiscard]] bool is_done() const noexcept;
  /// Waits for the outputs and returns them. Call it once.
  /// Stream order: their work is done, so that they may be used on any stream.
  /// Throws: EngineError if the engine failed; RequestError if it was not run; StreamError as wait_for().
  [[nodiscard]] std::vector<at::Tensor> outputs();
  /// Returns the time from entering submit() to the start of its run; 0 if it has not ended, or was not run.
  [[nodiscard]] std::chrono::nanoseconds waited() const noexcept;
  /// Returns the time from entering submit() to the end of its work on the device; 0 as waited() is.
  [[nodiscard]] std::chrono::nanoseconds latency() const noexcept;
  /// Returns the error that it ended with; null: none, or it has not ended.
  [[nodiscard]] std::exception_ptr error() const;
  /// Ends it with RequestError if it has not begun. Returns false if it has begun or ended.
  bool cancel();
  /// Calls `listener` when it ends, on the thread that ends it, or at once. `listener` must be quick and not throw.
  void when_done(std::function<void()> listener) const;

 private:
  friend struct detail::Access;
  PipelineRun(std::shared_ptr<runtime::ServedEngine> engine, std::shared_ptr<runtime::Request> request)
      : engine_(std::move(engine)), request_(std::move(request)) {}
  std::shared_ptr<runtime::ServedEngine> engine_;
  std::shared_ptr<runtime::Request> request_;
};

/// One engine of a pipeline: a shared handle, which may outlive the pipeline.
/// Thread safety: all members may be called from any thread.
class PipelineEngine {
 public:
  /// Returns its name.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Returns its lane, whose units the result keeps.
  /// Throws: RequestError if the pipeline is closed.
  [[nodiscard]] Lane lane() const;

  /// Runs it now, on the calling thread, after its earlier runs. `inputs` are the flattened arguments, on its device.
  /// Stream order: as AotiEngine::run(): joins the caller's stream. On a CPU it returns when the work is done.
  /// Throws: EngineError if the inputs do not fit or it fails; RequestError if it stopped or the pipeline is closed.
  [[nodiscard]] std::vector<at::Tensor> call(const std::vector<at::Tensor>& inputs);

  /// Queues a run for the engine's own thread. Copies the inputs; they may be reused at once.
  /// Stream order: the copy is behind the work on the caller's stream, and later work there waits for it. If no work is
  /// left on the caller's stream, the copy comes before the work of all engines.
  /// Inputs in host memory for an engine on a GPU are copied now. The engine's thread brings them to the GPU and the
  /// outputs back, on the lane's stream. The outputs are in page-locked host memory then.
  /// With `max_batch` of the engine, requests run together: inputs may have any rows (dimension 0) up to that number.
  /// Throws: EngineError if the inputs do not fit, or in a capture of the caller's stream; RequestError if the queue is
  /// full, its tenant is beyond its limits, the engine stopped, or the pipeline is closed; StreamError in a process
  /// that was forked since it was opened.
  [[nodiscard]] PipelineRun submit(const std::vector<at::Tensor>& inputs, const RequestOptions& options = {});

  /// Runs it once on the values of its edges, on its own thread, publishes its outputs, and returns then. Waits while a
  /// consumer's full queue with `overflow = "block"` has no room. Returns false if the run was skipped: an edge has no
  /// value yet, or the inputs are older than `max_age_ms`. Throws: EngineError if it fails, or takes nothing from
  /// edges; RequestError if it stopped or the pipeline is closed; StreamError in a process that was forked since the
  /// pipeline was opened.
  bool trigger();

  /// Returns the dtypes and the allowed sizes of its inputs, in order, without names. Source: a package's checks, else
  /// the recorded inputs.
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const noexcept;
  /// Returns the dtypes and sizes of its outputs on the recorded inputs. Empty: a stateful engine, which was not run.
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const noexcept;
  /// The nesting of the model's arguments and results: two torch.utils._pytree treespecs, as JSON. Empty for modules.
  [[nodiscard]] std::vector<std::string> call_spec() const;

 private:
  friend struct detail::Access;
  explicit PipelineEngine(std::shared_ptr<runtime::LiveEngine> engine) : engine_(std::move(engine)) {}
  std::shared_ptr<runtime::LiveEngine> engine_;
};

/// An open pipeline: its engines are loaded, on their lanes, captured, and have run once.
/// Thread safety: all members may be called from any thread.
class Pipeline {
 public:
  /// Opens a pipeline. Takes seconds: models are loaded, and kernels are chosen for the lanes.
  /// Throws: ConfigError for the file or the plan; DeviceError; PartitionError; EngineError if an engine fails on its
  /// lane, which names the engine and the lane.
  [[nodiscard]] static Pipeline open(const std::filesystem::path& config, const PipelineOptions& options = {});
  /// As close().
  ~Pipeline();
  /// Takes another pipeline, which must not be used afterwards.
  Pipeline(Pipeline&&) noexcept = default;
  Pipeline& operator=(Pipeline&&) = delete;

  /// Throws: ConfigError for an unknown name; the message lists the known names.
  [[nodiscard]] PipelineEngine operator[](std::string_view engine) const;
  /// Returns the engines' names, in the order of the configuration.
  [[nodiscard]] std::vector<std::string> engines() const;
  /// Returns the sources' names, in the order of the configuration.
  [[nodiscard]] std::vector<std::string> sources() const;

  /// Returns a source of the file. Throws: ConfigError for an unknown name; the message lists the known names.
  [[nodiscard]] PipelineSource source(std::string_view name) const;
  /// Returns a new handle for the results of an engine. Throws: as operator[]; ConfigError if only calls and requests
  /// run the engine, because their outputs go to their callers.
  [[nodiscard]] PipelineSink sink(std::string_view engine) const;

  /// Lets timers and new data run engines from now on. An engine without `from` has a timer if it has a rate and its
  /// model takes no inputs. Other engines run when they are called.
  /// Throws: RequestError if the pipeline is closed.
  void start();
  /// Stops timers and triggers, and returns when none of their runs is under way. Calls and requests go on. Data that
  /// is published waits on the edges.
  void stop();
  /// Restores the initial data of feedback edges. Results of runs that began before do not reach those edges any more.
  /// Throws: StreamError in a process that was forked since the pipeline was opened.
  void reset();

  /// Returns live figures. Takes some microseconds for each engine.
  [[nodiscard]] PipelineStats stats() const;
  /// Returns the live figures in Prometheus's text format.
  [[nodiscard]] std::string metrics_text() const;
  /// Returns HOST:PORT where metrics are served. Absent: they are not, or the pipeline is closed.
  [[nodiscard]] std::optional<std::string> metrics_address() const;

  /// Refuses calls and requests from now on, ends those that have not begun with RequestError, waits for those under
  /// way, and returns the lanes' units. Waits for a second at most: an engine that does not end is left alone with its
  /// lane, with a warning. A second call does nothing.
  void close();
  /// Returns whether close() was called.
  [[nodiscard]] bool is_closed() const noexcept;

 private:
  friend struct detail::Access;
  explicit Pipeline(std::shared_ptr<runtime::LivePipeline> live) : live_(std::move(live)) {}
  std::shared_ptr<runtime::LivePipeline> live_;
};

}  // namespace greenlane

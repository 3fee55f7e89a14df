// Runs a pipeline, its engines side by side, each at its rate, and measures it.
#pragma once

#include <greenlane/audit/audit_report.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/latency_histogram.hpp>
#include <greenlane/detail/runtime/mode.hpp>
#include <greenlane/detail/runtime/workload.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::runtime {

/// One request, for the trace. Times since the start of the measurement.
struct RequestSpan {
  Nanoseconds scheduled;  ///< the time of its arrival
  Nanoseconds start;      ///< when it began
  Nanoseconds end;        ///< when its result was there
};

/// A time span for the trace, since the start of the measurement.
struct Span {
  Nanoseconds begin;  ///< its begin
  Nanoseconds end;    ///< its end
};

/// The results of one engine in one mode.
struct EngineResult {
  std::string name;       ///< the engine's name
  std::string lane;       ///< its lane's name
  int units = 0;          ///< number of units that it had
  std::vector<int> cpus;  ///< its cores; empty on a GPU
  /// From the scheduled arrival (best effort: from the start) to the result. A request that was never served counts
  /// with the time it had waited when the run ended.
  LatencyHistogram latency;
  std::uint64_t requests = 0;           ///< arrivals during the measurement
  std::uint64_t unserved = 0;           ///< requests not begun when the measurement ended
  std::uint64_t misses = 0;             ///< requests later than the deadline, including the unserved
  std::optional<Nanoseconds> deadline;  ///< absent: best effort
  double rate_hz = 0;                   ///< requests served per second
  std::optional<bool> checked;          ///< absent: nothing to compare with, or not requested
  std::string error;                    ///< why it stopped, or what differed; empty if all went well
  std::optional<GraphUse> graphs;       ///< its CUDA graphs; absent: none
  std::vector<RequestSpan> spans;       ///< for the trace: its requests
  std::vector<Span> slices;             ///< for the trace: the slices of its graph, if it is cut
};

/// Memory in use.
struct MemoryUse {
  std::uint64_t host_bytes = 0;       ///< resident set of the process
  std::uint64_t allocator_bytes = 0;  ///< PyTorch's caching allocator on the device
};

/// The results of one mode.
struct ModeResult {
  Mode mode = Mode::lanes;                        ///< the mode
  std::vector<EngineResult> engines;              ///< in the order of the configuration
  std::chrono::steady_clock::time_point begin{};  ///< of the measurement
  Nanoseconds measured{0};                        ///< duration of the measurement
  Nanoseconds spin{0};                            ///< of the engines' threads, before each arrival
  MemoryUse memory_before;                        ///< before the measurement
  MemoryUse memory_after;                         ///< after the measurement
  bool stopped_early = false;                     ///< by RunOptions::stop
  std::optional<GateReport> gate;                 ///< if an engine lets others pass
  std::vector<Span> passes;                       ///< for the trace: when urgent requests kept the gate closed
  std::vector<audit::TracedKernel> kernels;       ///< for the trace: from an audit
  bool is_audited = false;                        ///< times are longer then, and the trace says so
};

/// Longer than a thread takes to wake up.
inline constexpr Nanoseconds kSpin = std::chrono::microseconds(100);

/// The choices for a run.
struct RunOptions {
  /// Duration of the measurement.
  Nanoseconds duration = std::chrono::seconds(10);
  /// Time before the measurement, in which runs are not counted.
  Nanoseconds warm_up = std::chrono::milliseconds(500);
  /// On a GPU, the time before an arrival at which an engine's thread stops sleeping and spins. A thread that slept
  /// finds its core's caches cold, which costs a short request as much as its kernels. With a period or more, the
  /// thread never sleeps.
  Nanoseconds spin = kSpin;
  /// Compares outputs with the expected ones.
  bool check = false;
  /// Keeps every request and slice for a trace.
  bool trace = false;
  /// Polled. Set it, also from a signal handler, to end the run with the results so far.
  const std::atomic<bool>* stop = nullptr;
  /// Called about ten times a second with the share of the measurement that is over.
  std::function<void(double)> progress;
  /// `before` is called when all engines are warm and no request has begun; `after` is called after the last request,
  /// when nothing runs. Their exceptions leave run().
  std::function<void()> before{};
  /// See `before`.
  std::function<void()> after{};
};

/// The engines of one configuration, loaded once and run in any number of modes.
/// Thread safety: none. It starts one thread for every engine.
class Pipeline {
 public:
  /// Opens the device and loads libraries, models and inputs.
  /// Throws: ConfigError, DeviceError.
  explicit Pipeline(PipelineConfig config);
  ~Pipeline();
  /// Takes everything from another pipeline, which must not be used afterwards.
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) = delete;

  /// Returns the configuration, with the lanes of the last place().
  [[nodiscard]] const PipelineConfig& config() const noexcept { return config_; }
  /// Returns the device.
  [[nodiscard]] const Device& device() const noexcept { return device_; }

  /// Takes lanes, the engines' lanes and slice lengths from `planned`, which must have the same engines.
  void place(const PipelineConfig& planned);
  /// The engines in the order of the configuration. Between two runs they are on no lane.
  [[nodiscard]] std::span<const std::unique_ptr<Workload>> workloads() const noexcept { return workloads_; }

  /// Places the engines, warms them up and measures. An engine that throws is stopped and reported; the others
  /// continue.
  [[nodiscard]] ModeResult run(Mode mode, const RunOptions& options);

 private:
  PipelineConfig config_;
  Device device_;
  std::vector<std::unique_ptr<Workload>> workloads_;
};

}  // namespace greenlane::runtime

// Rehearsals: a pipeline is run on its recorded inputs, at the rates that it will have, and measured.
#pragma once

#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/metrics_endpoint.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <atomic>
#include <chrono>
#include <functional>

namespace greenlane::runtime {

/// Longer than a thread takes to wake up.
inline constexpr Nanoseconds kSpin = std::chrono::microseconds(100);

/// The choices for a rehearsal.
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
  /// Gives the figures of the rehearsal to Prometheus. Null: nobody does.
  MetricsEndpoint* metrics = nullptr;
  /// `before` is called when all engines are warm and no request has begun; `after` is called after the last request,
  /// when nothing runs. Their exceptions leave rehearse().
  std::function<void()> before{};
  /// See `before`.
  std::function<void()> after{};
};

/// Checks that the recorded items of all sources can be read, and fit the engines that take them.
/// Throws: ConfigError.
void require_recorded_items(const LoadedPipeline& pipeline);

/// Places the engines, warms them up and measures, and takes them off their lanes again. An engine that throws is
/// stopped and reported; the others continue.
/// Thread safety: one rehearsal of a pipeline at a time.
/// Throws: ConfigError and PartitionError if the lanes do not fit.
[[nodiscard]] ModeResult rehearse(LoadedPipeline& pipeline, Mode mode, const RunOptions& options);

}  // namespace greenlane::runtime

// Profiles: how long each engine of a pipeline takes, alone, on every size of partition.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/gate.hpp>
#include <greenlane/detail/planner/engine_demand.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace greenlane::runtime {

class LoadedPipeline;

/// A long kernel, as it was measured on a number of units.
struct ProfiledKernel {
  Units units;        ///< size of the partition
  LongKernel kernel;  ///< the kernel
};

/// The measurements of one engine.
struct EngineProfile {
  std::string name;                 ///< the engine's name
  std::vector<LatencyPoint> curve;  ///< the last point is the undivided device
  std::vector<SlicePoint> gated;    ///< empty: it has a deadline, or cannot be cut
  /// The kernel that gates cannot shorten, on the most units that gates were measured on. Absent: there is none.
  std::optional<ProfiledKernel> long_kernel{};
  /// The rows of each run that was measured. Absent: its requests run alone.
  std::optional<std::int64_t> batch_rows{};
};

/// The measurements of all engines of a pipeline.
struct Profile {
  DeviceInfo device;                   ///< the device they were made on
  std::vector<EngineProfile> engines;  ///< in the order of the configuration
};

/// The choices for a profile.
struct ProfileOptions {
  /// The longest time for one point. A point is done earlier if two looks at it agree.
  Nanoseconds most = std::chrono::seconds(1);
  /// Polled. Stopping discards the points so far.
  const std::atomic<bool>* stop = nullptr;
  /// Called with the share that is done and the name of the present engine.
  std::function<void(double, const std::string&)> progress;
};

/// Measures all engines, one after another, each size in turn, with the configuration's arrivals but pauses of at most
/// two milliseconds.
/// Throws: EngineError if an engine throws, or after a stop.
[[nodiscard]] Profile make_profile(LoadedPipeline& pipeline, const ProfileOptions& options);

/// Returns the reason why runs of this configuration here do not apply to the profile's device: it is another device.
/// Empty if it is the same.
[[nodiscard]] std::string why_elsewhere(const Profile& profile, const PipelineConfig& config);

}  // namespace greenlane::runtime

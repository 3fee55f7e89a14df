// Profiles: how long every engine of a pipeline takes, alone, on every size of partition.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/runtime/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace greenlane::runtime {

class Pipeline;

// Latency of a request, as Pipeline::run measures it.
struct ProfilePoint {
  Units units;
  Nanoseconds p50{0};
  Nanoseconds p99{0};
  Nanoseconds mean{0};
  std::uint64_t requests = 0;
};

// A best-effort engine behind a gate.
struct GatedPoint {
  Units units;
  Nanoseconds in_flight{0};  // what an urgent request may wait for
  double overhead = 0;       // of its rate
  int slices = 1;
};

struct EngineProfile {
  std::string name;
  std::vector<ProfilePoint> curve;  // the last one is the undivided device
  std::vector<GatedPoint> gated;    // empty: it has a deadline, or cannot be cut
};

struct Profile {
  DeviceInfo device;
  std::vector<EngineProfile> engines;
};

struct ProfileOptions {
  // A point is done when two looks at it agree, or after so long.
  Nanoseconds most = std::chrono::seconds(1);
  // Polled: points so far are given up.
  const std::atomic<bool>* stop = nullptr;
  // With the share that is done and the engine whose turn it is.
  std::function<void(double, const std::string&)> progress;
};

// Measures all engines, one after another, each size in turn; with the arrivals of the configuration, but no longer
// pauses than two milliseconds. Throws EngineError where an engine throws, or after a stop.
[[nodiscard]] Profile make_profile(Pipeline& pipeline, const ProfileOptions& options);

// Why runs of this configuration here say nothing of the profile's device: theirs is another one. Empty where it is
// not.
[[nodiscard]] std::string why_elsewhere(const Profile& profile, const PipelineConfig& config);

}  // namespace greenlane::runtime

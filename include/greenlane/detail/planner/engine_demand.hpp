// The demand of an engine: its latencies, as they were measured alone, and its rate and deadline.
#pragma once

#include <greenlane/core/units.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>
#include <string>
#include <vector>

namespace greenlane {

/// Predictions have fractions. Every std::chrono duration converts to this type.
using Microseconds = std::chrono::duration<double, std::micro>;

/// Latency of one request, measured alone in a partition of this many units. The point with all of the device's units
/// is the latency on the undivided device.
struct LatencyPoint {
  Units units;                           ///< size of the partition
  Microseconds p50{};                    ///< median latency
  Microseconds p99{};                    ///< latency that 99 of 100 requests do not exceed
  Microseconds mean{};                   ///< mean latency
  std::optional<Microseconds> device{};  ///< mean time of a run on the device; absent: not known
  std::uint64_t requests = 0;            ///< number of requests measured; plans do not depend on it
};

/// A best-effort engine behind a gate, in a partition of this many units. `in_flight` is the time that slices in flight
/// may take, the worst wait of an urgent engine. `overhead` is the cost of slicing, as a share of the engine's rate.
struct SlicePoint {
  Units units;               ///< size of the partition
  Microseconds in_flight{};  ///< the worst wait of an urgent engine
  double overhead = 0;       ///< a share of the engine's rate
  int slices = 1;            ///< number of slices of its graph; plans do not depend on it
};

/// The arrivals of an engine with a rate: one per period, or at random with the period as the mean.
enum class Arrivals { periodic, poisson };

/// The largest weight of an engine.
inline constexpr double kMostWeight = 1e6;

/// The demand of one engine. An engine with a deadline is urgent; every other one is best effort. An engine has one
/// request in flight at a time.
struct EngineDemand {
  /// The engine's name.
  std::string name;
  /// At least one point, each size once, in any order. Between two points the slower one counts. Below the smallest
  /// size, latency is assumed to grow as units shrink; above the largest, to stay.
  std::vector<LatencyPoint> curve;
  /// Mean time between two arrivals. Absent: back to back.
  std::optional<Microseconds> period{};
  /// The way in which requests arrive.
  Arrivals arrivals = Arrivals::periodic;
  /// From arrival to result.
  std::optional<Microseconds> deadline{};
  /// The value of a best-effort engine's rate, as a multiple of its rate alone on the whole device: 0 to kMostWeight.
  double weight = 1;
  /// Empty: the engine cannot be gated. Sizes as for `curve`.
  std::vector<SlicePoint> slices{};
};

}  // namespace greenlane

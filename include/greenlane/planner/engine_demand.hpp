// The demand of an engine: its latencies, as they were measured alone, and what is asked of it.
#pragma once

#include <greenlane/core/units.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>
#include <string>
#include <vector>

namespace greenlane {

// Predictions have fractions. Every std::chrono duration converts to this type.
using Microseconds = std::chrono::duration<double, std::micro>;

// Latency of one request, measured alone in a partition of this many units. The point with all of the device's units is
// the latency on the undivided device.
struct LatencyPoint {
  Units units;
  Microseconds p50{};
  Microseconds p99{};
  Microseconds mean{};
  std::uint64_t requests = 0;  // measured ones; plans do not depend on it
};

// A best-effort engine behind a gate, in a partition of this many units. `in_flight` is the time that slices in flight
// may take, the worst wait of an urgent engine. `overhead` is the cost of slicing, as a share of the engine's rate.
struct SlicePoint {
  Units units;
  Microseconds in_flight{};
  double overhead = 0;
  int slices = 1;  // plans do not depend on it
};

// The arrivals of an engine with a rate: one per period, or at random with the period as the mean.
enum class Arrivals { periodic, poisson };

// The demand of one engine. An engine with a deadline is urgent; every other one is best effort. An engine has one
// request in flight at a time.
struct EngineDemand {
  std::string name;
  // At least one point, each size once, in any order. Between two points the slower one counts. Below the smallest
  // size, latency is assumed to grow as units shrink; above the largest, to stay.
  std::vector<LatencyPoint> curve;
  // Mean time between two arrivals. Absent: back to back.
  std::optional<Microseconds> period{};
  Arrivals arrivals = Arrivals::periodic;
  // From arrival to result.
  std::optional<Microseconds> deadline{};
  // The value of a best-effort engine's rate, as a multiple of its rate alone on the whole device.
  double weight = 1;
  // Empty: the engine cannot be gated. Sizes as for `curve`.
  std::vector<SlicePoint> slices{};
};

}  // namespace greenlane

// Requests for plans: random ones, and short forms of handwritten ones.
#pragma once

#include <greenlane/detail/planner/planner.hpp>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::testing {

// Returns a point whose p99 is a tenth above the mean.
inline LatencyPoint point(int units, double mean) {
  return {.units = {units}, .p50 = Microseconds(mean), .p99 = Microseconds(mean * 1.1), .mean = Microseconds(mean)};
}

// Returns the curve of a perfectly parallel engine with `work` unit-microseconds for each request.
inline std::vector<LatencyPoint> parallel(double work, std::initializer_list<int> sizes) {
  std::vector<LatencyPoint> curve;
  curve.reserve(sizes.size());
  for (const int units : sizes) curve.push_back(point(units, work / units));
  return curve;
}

inline std::vector<SlicePoint> slices(int units, double in_flight, double overhead) {
  return {{.units = {units}, .in_flight = Microseconds(in_flight), .overhead = overhead}};
}

// Eight groups of eight units, and an odd group of four.
inline constexpr DeviceGroups kDevice{.whole = 8, .each = {8}, .remainder = {4}};
inline constexpr int kAllUnits = 68;

// Returns a short engine, which is slow only on the odd group.
inline EngineDemand policy() {
  return {.name = "policy",
          .curve = {point(4, 2000), point(8, 100), point(16, 60), point(kAllUnits, 50)},
          .period = std::chrono::milliseconds(5),
          .deadline = std::chrono::milliseconds(1)};
}

inline EngineDemand vision() {
  return {.name = "vision",
          .curve = parallel(64'000, {8, 16, 24, 32, 40, 48, 56, 64, kAllUnits}),
          .period = std::chrono::milliseconds(33),
          .deadline = std::chrono::milliseconds(20)};
}

// Returns a best-effort engine that takes about 10 ms on the whole device.
inline EngineDemand head() {
  return {.name = "head",
          .curve = parallel(680'000, {4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, kAllUnits})};
}

inline PlanRequest request(std::vector<EngineDemand> engines) {
  return {.device = kDevice, .engines = std::move(engines)};
}

// Adds a correction for a random set of engines, unless that set already has one for the same way of sharing.
template <typename Draw>
void add_random_correction(const Draw& draw, PlanRequest& request) {
  SharingCorrection correction;
  for (std::size_t engine = 0; engine < request.engines.size(); ++engine) {
    if (draw(0, 1) == 0) continue;
    correction.engines.push_back(engine);
    correction.factors.push_back({.p50 = draw(3, 20) / 10.0, .p99 = draw(3, 20) / 10.0, .rate = draw(5, 15) / 10.0});
  }
  if (correction.engines.empty()) return;
  if (correction.engines.size() > 1) correction.sharing = draw(0, 1) == 0 ? Sharing::queue : Sharing::gated;
  const auto is_same = [&](const SharingCorrection& other) {
    return other.engines == correction.engines && other.sharing == correction.sharing;
  };
  if (std::ranges::none_of(request.corrections, is_same)) request.corrections.push_back(std::move(correction));
}

// Returns a random request. `draw(low, high)` gives a whole number from `low` to `high`, both included. Curves have
// jumps, and some are slower in a larger partition. About half of the requests cannot be met.
template <typename Draw>
PlanRequest random_request(const Draw& draw, int most_engines, int most_groups) {
  PlanRequest request;
  request.device = {.whole = draw(1, most_groups), .each = {draw(1, 8)}, .remainder = {draw(0, 2) * draw(0, 7)}};
  request.margin = draw(0, 3) / 10.0;
  const int all_units = request.device.whole * request.device.each.count + request.device.remainder.count;
  const int engines = draw(1, most_engines);
  for (int i = 0; i < engines; ++i) {
    EngineDemand engine{.name = std::string(1, static_cast<char>('a' + i)), .curve = {}};
    const double work = draw(1, 40) * 100.0;
    for (int units = all_units; units > 0; units -= draw(1, all_units)) {
      const double mean = work / units * draw(10, 20) / 10;
      engine.curve.push_back(
          {.units = {units},
           .p50 = Microseconds(mean * draw(8, 10) / 10),
           .p99 = Microseconds(mean * draw(10, 20) / 10),
           .mean = Microseconds(mean),
           .device = draw(0, 4) == 0 ? std::nullopt : std::optional(Microseconds(mean * draw(1, 10) / 10))});
    }
    const double alone = work / all_units;
    const int kind = draw(0, 5);
    if (kind >= 2) engine.deadline = Microseconds(alone * draw(10, 120) / 10);
    if (kind != 0 && kind != 2) {
      engine.period = Microseconds(alone * draw(15, 200) / 10);
      if (draw(0, 2) == 0) engine.arrivals = Arrivals::poisson;
    }
    engine.weight = draw(0, 4) / 2.0;
    if (draw(0, 1) == 0) engine.slices = slices(draw(1, all_units), alone * draw(1, 10) / 20, draw(0, 3) / 10.0);
    request.engines.push_back(std::move(engine));
  }
  if (draw(0, 2) == 0) {
    request.contention.assign(request.engines.size(), std::vector<double>(request.engines.size(), 1));
    for (auto& row : request.contention) {
      for (auto& factor : row) factor = draw(9, 14) / 10.0;
    }
  }
  for (int left = draw(0, 1) * draw(1, 8); left > 0; --left) add_random_correction(draw, request);
  return request;
}

}  // namespace greenlane::testing

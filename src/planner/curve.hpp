// What is known of an engine at sizes that were not measured. Arithmetic only.
#pragma once

#include <greenlane/planner/planner.hpp>

#include <vector>

namespace greenlane::detail {

// One request's service, in microseconds, and what gating costs there.
struct Service {
  double p50 = 0;
  double p99 = 0;
  double mean = 0;
  double in_flight = 0;
  double overhead = 0;
};

// Measured points of an engine. Curves have plateaus and jumps, and a larger partition can be slower: nothing but what
// was measured on both sides is assumed in between.
class Curve {
 public:
  explicit Curve(const EngineDemand& engine);
  [[nodiscard]] Service at(Units units) const;

 private:
  std::vector<LatencyPoint> points_;
  std::vector<SlicePoint> slices_;
};

}  // namespace greenlane::detail

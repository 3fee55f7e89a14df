// Estimates an engine's service at sizes that were not measured. Arithmetic only.
#pragma once

#include <greenlane/detail/planner/planner.hpp>

#include <limits>
#include <vector>

namespace greenlane::detail {

// The service of one request in microseconds, and the costs of gating it.
struct Service {
  double p50 = 0;
  double p99 = 0;
  double mean = 0;
  double device = std::numeric_limits<double>::infinity();  // time on the device; infinite: not known
  double in_flight = 0;
  double overhead = 0;
};

// The measured points of an engine. Curves have plateaus and jumps, and a larger partition can be slower. Between two
// points the longer of the two measured times therefore counts, and nothing else is assumed.
class Curve {
 public:
  explicit Curve(const EngineDemand& engine);
  [[nodiscard]] Service at(Units units) const;

 private:
  std::vector<LatencyPoint> points_;
  std::vector<SlicePoint> slices_;
};

}  // namespace greenlane::detail

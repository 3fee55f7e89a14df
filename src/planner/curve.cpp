#include "planner/curve.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::detail {
namespace {

// Returns the measured points around a size. Both are the same point where the size was measured or lies outside.
template <typename Point>
std::pair<const Point*, const Point*> around(const std::vector<Point>& points, Units units) {
  const auto above = std::ranges::lower_bound(points, units, {}, &Point::units);
  if (above == points.end()) return {&points.back(), &points.back()};
  if (above == points.begin() || above->units == units) return {&*above, &*above};
  return {&*(above - 1), &*above};
}

// Returns how much longer work takes on fewer units than measured. Assumes perfectly parallel work, which suffers most.
double growth(Units measured, Units units) {
  return units < measured ? static_cast<double>(measured.count) / units.count : 1;
}

double device_time(const LatencyPoint& point) { return point.device ? point.device->count() : Service().device; }

}  // namespace

Curve::Curve(const EngineDemand& engine) : points_(engine.curve), slices_(engine.slices) {
  std::ranges::sort(points_, {}, &LatencyPoint::units);
  std::ranges::sort(slices_, {}, &SlicePoint::units);
}

Service Curve::at(Units units) const {
  const auto [below, above] = around(points_, units);
  const double longer = below == above ? growth(below->units, units) : 1;
  Service service{.p50 = std::max(below->p50, above->p50).count() * longer,
                  .p99 = std::max(below->p99, above->p99).count() * longer,
                  .mean = std::max(below->mean, above->mean).count() * longer,
                  .device = std::max(device_time(*below), device_time(*above)) * longer};
  if (!slices_.empty()) {
    const auto [smaller, larger] = around(slices_, units);
    service.in_flight = std::max(smaller->in_flight, larger->in_flight).count() *
                        (smaller == larger ? growth(smaller->units, units) : 1);
    service.overhead = std::max(smaller->overhead, larger->overhead);
  }
  return service;
}

}  // namespace greenlane::detail

#include "planner/throughput_bound.hpp"

#include "planner/queue.hpp"

#include <algorithm>
#include <cmath>

namespace greenlane::detail {
namespace {

// An addition of units, and the throughput that an engine gains by it.
struct Step {
  double units = 0;
  double gain = 0;
  [[nodiscard]] double slope() const { return gain / units; }
};

struct Point {
  double units = 0;
  double throughput = 0;
};

std::vector<Size> sizes(const PlanProblem& problem) {
  std::vector<Size> all{{.is_whole = true}};
  for (int groups = 0; groups <= problem.groups(); ++groups) {
    if (groups > 0) all.push_back({.groups = groups});
    if (problem.has_remainder() && groups >= problem.fewest_groups())
      all.push_back({.groups = groups, .is_rest = true});
  }
  return all;
}

double mean(const PlanProblem& problem, std::size_t engine, Size size) {
  return problem.alone(engine, size).mean * problem.least_contention(engine);
}

// Returns the least time that a call of an urgent engine costs best effort. Behind a gate it may be the device time.
double least_price(const PlanProblem& problem, std::size_t engine, Size size) {
  const auto& alone = problem.alone(engine, size);
  return std::min(alone.mean, alone.device) * problem.least_contention(engine);
}

// Adds the upper hull of throughput over units, which begins with none of either. The slopes of its steps fall.
void add_hull(const PlanProblem& problem, std::size_t index, std::vector<Step>& steps) {
  const auto& engine = problem.engine(index);
  const double best = engine.weight * engine.solo_mean * problem.most_rate_correction(index);
  std::vector<Point> points;
  for (const auto size : sizes(problem)) {
    points.push_back(
        {.units = static_cast<double>(problem.units(size).count), .throughput = best / mean(problem, index, size)});
  }
  std::ranges::sort(points, [](const Point& a, const Point& b) {
    return a.units < b.units || (a.units == b.units && a.throughput > b.throughput);
  });
  // An engine with a rate gets no further than that rate, corrected or not.
  const double most = engine.open ? engine.weight * engine.solo_mean / engine.period : kInfinite;
  Point at;
  while (at.throughput < most) {
    Step steepest;
    for (const auto& point : points) {
      const Step step{.units = point.units - at.units, .gain = point.throughput - at.throughput};
      if (step.units > 0 && step.gain > 0 && (steepest.units == 0 || step.slope() >= steepest.slope())) steepest = step;
    }
    if (steepest.units == 0) break;
    at = {.units = at.units + steepest.units, .throughput = at.throughput + steepest.gain};
    if (at.throughput > most) {
      const double share = 1 - (at.throughput - most) / steepest.gain;
      steepest = {.units = steepest.units * share, .gain = steepest.gain * share};
    }
    steps.push_back(steepest);
  }
}

}  // namespace

std::int64_t throughput_bound(const PlanProblem& problem) {
  double units = problem.units({.is_whole = true}).count;
  std::vector<Step> steps;
  for (std::size_t i = 0; i < problem.engines(); ++i) {
    const auto& engine = problem.engine(i);
    if (!engine.urgent) {
      add_hull(problem, i, steps);
    } else if (engine.open) {
      double least = kInfinite;
      for (const auto size : sizes(problem))
        least = std::min(least, least_price(problem, i, size) / engine.period * problem.units(size).count);
      units -= least;
    }
  }
  std::ranges::stable_sort(steps, [](const Step& a, const Step& b) { return a.slope() > b.slope(); });
  double throughput = 0;
  for (const auto& step : steps) {
    if (units <= 0) break;
    throughput += step.gain * std::min(1.0, units / step.units);
    units -= step.units;
  }
  // The throughput of each part is rounded, and there are no more parts than engines.
  return static_cast<std::int64_t>(std::ceil(throughput * 1e6)) + static_cast<std::int64_t>(problem.engines());
}

}  // namespace greenlane::detail

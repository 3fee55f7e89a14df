#include "core/planner/problem.hpp"

#include <greenlane/core/planner.hpp>

#include <algorithm>
#include <cmath>

namespace greenlane {
namespace {

constexpr double kDamping = 0.5;
constexpr double kLeast = 0.8;
constexpr double kMost = 8;
// Who hardly runs can hardly be blamed, but not nobody where all hardly run.
constexpr double kLeastBlame = 1e-3;

// By how much it was slower than predicted: in p50 or in p99, whichever is more, because the next plan must keep the
// deadline. Absent where that says nothing.
std::optional<double> slowdown(const PlannedEngine& predicted, const MeasuredLatency& measured) {
  const double middle = measured.p50 / predicted.p50;
  const double tail = measured.p99 / predicted.p99;
  if (!std::isfinite(middle) || !std::isfinite(tail) || middle <= 0 || tail <= 0) return {};
  return std::max(middle, tail);
}

}  // namespace

// One run says how much slower an engine was, not because of whom. The blame goes to the engines of other partitions in
// proportion to the time for which they run. Runs of other plans, where they share other partitions, tell them apart.
ContentionFactors learn_contention(const PlanRequest& request, const Plan& plan,
                                   std::span<const MeasuredLatency> measured) {
  const detail::PlanProblem problem(request);  // checks the factors, too
  auto factors = request.contention;
  if (factors.empty()) factors.assign(problem.engines(), std::vector<double>(problem.engines(), 1));
  for (const auto& measurement : measured) {
    const auto predicted = std::ranges::find(plan.engines, measurement.engine, &PlannedEngine::name);
    const auto engine = std::ranges::find(request.engines, measurement.engine, &EngineDemand::name);
    if (predicted == plan.engines.end() || engine == request.engines.end()) {
      throw ConfigError({.what = "cannot learn from the measurements of engine '" + measurement.engine + "'",
                         .why = "the plan does not have it",
                         .remedy = "give the plan that was run, and its request"});
    }
    const auto slower = slowdown(*predicted, measurement);
    if (!slower) continue;
    const auto blame = [&](const PlannedEngine& other) {
      return other.partition == predicted->partition ? 0 : std::max(kLeastBlame, other.utilisation);
    };
    double total = 0;
    for (const auto& other : plan.engines) total += blame(other);
    auto& row = factors[static_cast<std::size_t>(engine - request.engines.begin())];
    for (std::size_t j = 0; j < plan.engines.size(); ++j) {
      const double share = blame(plan.engines[j]);
      if (share > 0) row[j] = std::clamp(row[j] * std::pow(*slower, kDamping * share / total), kLeast, kMost);
    }
  }
  return factors;
}

}  // namespace greenlane

#include "planner/problem.hpp"

#include <greenlane/detail/planner/learn.hpp>

#include <algorithm>
#include <cmath>

namespace greenlane {
namespace {

constexpr double kDamping = 0.5;
constexpr double kLeastContention = 0.8;
constexpr double kMostContention = 8;
constexpr double kLeastCorrection = 1.0 / 8;
constexpr double kMostCorrection = 8;
// An engine that hardly runs gets hardly any blame. It gets some, because all engines may hardly run.
constexpr double kLeastBlame = 1e-3;

// Measured values as multiples of the predicted ones. Absent where they say nothing.
struct Errors {
  std::optional<double> p50;
  std::optional<double> p99;
  std::optional<double> rate;
};

std::optional<double> times(double measured, double predicted) {
  const bool is_known = std::isfinite(measured) && std::isfinite(predicted) && measured > 0 && predicted > 0;
  return is_known ? std::optional(measured / predicted) : std::nullopt;
}

Errors errors_of(const PlannedEngine& predicted, const MeasuredEngine& measured) {
  Errors errors{.p50 = times(measured.p50.count(), predicted.p50.count()),
                .p99 = times(measured.p99.count(), predicted.p99.count()),
                .rate = {}};
  // An engine that was never served is the worst case, not an unknown one.
  if (measured.rate_hz && predicted.rate_hz > 0)
    errors.rate = std::max(times(*measured.rate_hz, predicted.rate_hz).value_or(0), kLeastCorrection);
  return errors;
}

// Returns by how much service was longer, judged by the median. An error of the tail alone says little of other
// partitions, and has a factor of its own. An engine that is back to back is judged by its rate: the rate is its worth,
// and all requests add to it.
std::optional<double> slowdown(const EngineDemand& demand, const Errors& errors) {
  if (errors.rate && !demand.deadline && !demand.period) return 1 / *errors.rate;
  return errors.p50;
}

// Blames the engines of other partitions in proportion to the time for which they run: one run says how much slower an
// engine was, but not because of which other. Runs of other plans, where the engines share other partitions, tell them
// apart.
// Returns: the factor by which the blame makes the engine's service longer in this plan.
double blame_others(std::vector<double>& row, const Plan& plan, const PlannedEngine& engine, double slower) {
  const auto blame = [&](const PlannedEngine& other) {
    return other.partition == engine.partition ? 0 : std::max(kLeastBlame, other.utilisation);
  };
  double total = 0;
  for (const auto& other : plan.engines) total += blame(other);
  double longer = 1;
  for (std::size_t j = 0; j < plan.engines.size(); ++j) {
    const double share = blame(plan.engines[j]);
    if (share <= 0) continue;
    const double before = row[j];
    row[j] = std::clamp(before * std::pow(slower, kDamping * share / total), kLeastContention, kMostContention);
    longer *= row[j] / before;
  }
  return longer;
}

SharingCorrection& correction_of(PlanRequest& request, const PlannedPartition& partition) {
  const auto found = std::ranges::find_if(request.corrections, [&](const SharingCorrection& correction) {
    return correction.engines == partition.engines && correction.sharing == partition.sharing;
  });
  if (found != request.corrections.end()) return *found;
  return request.corrections.emplace_back(
      SharingCorrection{.engines = partition.engines,
                        .sharing = partition.sharing,
                        .factors = std::vector<PredictionFactors>(partition.engines.size())});
}

// Learns half of an error. `done` is the factor that contention has changed already.
void correct(double& factor, std::optional<double> error, double done) {
  if (error) factor = std::clamp(factor * std::pow(*error, kDamping) / done, kLeastCorrection, kMostCorrection);
}

}  // namespace

// Engines with partition mates blame no engine elsewhere. A partition's engines always have the same engines outside,
// so the effect of those engines is part of the correction. The effect of mates would be taken for contention in every
// other plan.
PlanRequest learn(PlanRequest request, const Plan& plan, std::span<const MeasuredEngine> measured) {
  const detail::PlanProblem problem(request);  // checks the factors, too
  if (request.contention.empty())
    request.contention.assign(problem.engines(), std::vector<double>(problem.engines(), 1));
  for (const auto& measurement : measured) {
    const auto predicted = std::ranges::find(plan.engines, measurement.engine, &PlannedEngine::name);
    const auto demand = std::ranges::find(request.engines, measurement.engine, &EngineDemand::name);
    if (predicted == plan.engines.end() || demand == request.engines.end()) {
      throw ConfigError({.what = "cannot learn from the measurements of engine '" + measurement.engine + "'",
                         .why = "the plan does not have it",
                         .remedy = "give the plan that was run, and its request"});
    }
    const auto index = static_cast<std::size_t>(demand - request.engines.begin());
    const auto& partition = plan.partitions[predicted->partition];
    const auto errors = errors_of(*predicted, measurement);
    if (!errors.p50 && !errors.p99 && !errors.rate) continue;
    double longer = 1;
    if (const auto slower = slowdown(*demand, errors); slower && partition.sharing == Sharing::alone)
      longer = blame_others(request.contention[index], plan, *predicted, *slower);
    auto& correction = correction_of(request, partition);
    auto& factors = correction.factors[static_cast<std::size_t>(std::ranges::find(correction.engines, index) -
                                                                correction.engines.begin())];
    correct(factors.p50, errors.p50, longer);
    correct(factors.p99, errors.p99, longer);
    // A rate that the requests have does not change with service.
    if (!demand->deadline) correct(factors.rate, errors.rate, demand->period ? 1 : 1 / longer);
  }
  return request;
}

}  // namespace greenlane

#include "planner/problem.hpp"

#include "planner/queue.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <string>

namespace greenlane::detail {
namespace {

[[noreturn]] void refuse(const std::string& why, const std::string& remedy) {
  throw ConfigError({.what = "cannot plan", .why = why, .remedy = remedy});
}

bool is_positive(double value) { return std::isfinite(value) && value > 0; }

template <typename Point>
void check_sizes(const std::vector<Point>& points, const std::string& of) {
  std::vector<Units> sizes;
  sizes.reserve(points.size());
  for (const auto& point : points) sizes.push_back(point.units);
  std::ranges::sort(sizes);
  if (!sizes.empty() && sizes.front().count < 1) refuse(of + " has a point of no units", "measure it again");
  if (const auto twice = std::ranges::adjacent_find(sizes); twice != sizes.end()) {
    refuse(of + " has two points of " + std::to_string(twice->count) + " units", "keep one of them");
  }
}

void check(const EngineDemand& engine) {
  const std::string name = "engine '" + engine.name + "'";
  if (engine.curve.empty()) refuse(name + " has no measured latency", "profile it first");
  check_sizes(engine.curve, name);
  check_sizes(engine.slices, "the slices of " + name);
  for (const auto& point : engine.curve) {
    if (!is_positive(point.p50.count()) || !is_positive(point.p99.count()) || !is_positive(point.mean.count()) ||
        point.p99 < point.p50) {
      refuse(name + " has an impossible latency at " + std::to_string(point.units.count) + " units",
             "p50, p99 and mean are positive, and p99 is not below p50");
    }
    if (point.device && !is_positive(point.device->count())) {
      refuse(name + " has an impossible device time at " + std::to_string(point.units.count) + " units",
             "give a positive time, or none");
    }
  }
  for (const auto& point : engine.slices) {
    const bool is_share = point.overhead >= 0 && point.overhead < 1;
    if (!is_positive(point.in_flight.count()) || !is_share) {
      refuse("the slices of " + name + " are impossible at " + std::to_string(point.units.count) + " units",
             "the time in flight is positive, and the overhead a share below 1");
    }
  }
  if (engine.period && !is_positive(engine.period->count())) refuse(name + " has no positive period", "give it one");
  if (engine.deadline && !is_positive(engine.deadline->count()))
    refuse(name + " has no positive deadline", "give it one");
  if (!std::isfinite(engine.weight) || engine.weight < 0 || engine.weight > kMostWeight) {
    refuse(name + " has an impossible weight", "give it one between 0 and a million");
  }
}

void check(const SharingCorrection& correction, std::size_t engines) {
  const auto& members = correction.engines;
  // The members must be strictly ascending.
  const bool is_set = !members.empty() && members.back() < engines &&
                      std::ranges::adjacent_find(members, std::ranges::greater_equal()) == members.end();
  if (!is_set || (members.size() == 1) != (correction.sharing == Sharing::alone))
    refuse("a correction lists engines twice, unsorted, or with an invalid sharing",
           "list each engine once, in ascending order; use `alone` for exactly one");
  const bool are_positive = std::ranges::all_of(correction.factors, [](const PredictionFactors& factors) {
    return is_positive(factors.p50) && is_positive(factors.p99) && is_positive(factors.rate);
  });
  if (!are_positive || correction.factors.size() != members.size())
    refuse("the factors of a correction are not positive numbers", "give three for each of its engines");
}

void check(const PathDemand& path, const std::vector<EngineDemand>& engines) {
  const std::string name = "path '" + path.name + "'";
  if (path.engines.empty()) refuse(name + " has no engine", "name those on it");
  for (std::size_t i = 0; i < path.engines.size(); ++i) {
    const auto engine = path.engines[i];
    const auto before = std::span(path.engines).first(i);
    if (engine >= engines.size() || std::ranges::find(before, engine) != before.end())
      refuse(name + " has an engine twice, or one that is not in the request", "name each of them once");
    if (!engines[engine].deadline)
      refuse("engine '" + engines[engine].name + "' is on " + name + " and has no deadline", "give it the path's");
  }
  if (!is_positive(path.deadline.count())) refuse(name + " has no positive deadline", "give it one");
  if (!std::isfinite(path.waits.count()) || path.waits.count() < 0)
    refuse(name + " has an impossible wait", "give the sum of the periods of its timers");
}

void check(const PlanRequest& request) {
  const auto& device = request.device;
  if (device.whole < 0 || device.each.count < 0 || device.remainder.count < 0 ||
      (device.whole > 0 && device.each.count < 1) || device.whole + device.remainder.count < 1) {
    refuse("the device has no units", "check its groups");
  }
  if (device.whole > kMostGroups) {
    refuse("the device has " + std::to_string(device.whole) + " groups",
           "plan for at most " + std::to_string(kMostGroups));
  }
  if (request.engines.empty()) refuse("there is no engine", "name at least one");
  if (request.engines.size() > kMostPlannedEngines) {
    refuse("there are " + std::to_string(request.engines.size()) + " engines",
           "plan for at most " + std::to_string(kMostPlannedEngines));
  }
  for (std::size_t i = 0; i < request.engines.size(); ++i) {
    check(request.engines[i]);
    for (std::size_t j = 0; j < i; ++j) {
      if (request.engines[i].name == request.engines[j].name) {
        refuse("two engines are named '" + request.engines[i].name + "'", "give each a name of its own");
      }
    }
  }
  if (!std::isfinite(request.margin) || request.margin < 0) refuse("the margin is negative", "give one of 0 or more");
  const auto& factors = request.contention;
  const bool has_right_form =
      factors.empty() ||
      (factors.size() == request.engines.size() && std::ranges::all_of(factors, [&](const auto& row) {
         return row.size() == request.engines.size() && std::ranges::all_of(row, is_positive);
       }));
  if (!has_right_form) {
    refuse("the contention matrix must be square with positive entries",
           "give one factor for each pair of engines, or none");
  }
  for (const auto& correction : request.corrections) check(correction, request.engines.size());
  for (const auto& path : request.paths) check(path, request.engines);
}

// Numbers the sizes: whole groups alone, then the same with the remainder, then the undivided device.
std::size_t number(Size size, int groups) {
  if (size.is_whole) return 2 * static_cast<std::size_t>(groups + 1);
  return static_cast<std::size_t>(size.groups) + (size.is_rest ? static_cast<std::size_t>(groups + 1) : 0);
}

}  // namespace

PlanProblem::PlanProblem(const PlanRequest& request) : device_(request.device), margin_(request.margin) {
  check(request);
  contention_ = request.contention;
  for (const auto& correction : request.corrections) {
    const std::pair key(set_of(correction.engines), correction.sharing);
    if (!corrections_.try_emplace(key, correction.factors).second)
      refuse("there are two corrections for the same engines, shared in the same way", "keep one of them");
  }
  for (const auto& engine : request.engines) {
    const Curve curve(engine);
    auto& services = services_.emplace_back(number({.is_whole = true}, groups()) + 1);
    const auto fill = [&](Size size) {
      // A partition has at least one unit.
      if (units(size).count > 0) services[number(size, groups())] = curve.at(units(size));
    };
    for (int k = 0; k <= groups(); ++k) {
      fill({.groups = k});
      if (k >= fewest_groups()) fill({.groups = k, .is_rest = true});
    }
    fill({.is_whole = true});
    engines_.push_back({.urgent = engine.deadline.has_value(),
                        .open = engine.period.has_value(),
                        .random = engine.period.has_value() && engine.arrivals == Arrivals::poisson,
                        .can_be_gated = !engine.slices.empty(),
                        .period = engine.period.value_or(Microseconds(kInfinite)).count(),
                        .deadline = engine.deadline.value_or(Microseconds(kInfinite)).count(),
                        .limit = engine.deadline.value_or(Microseconds(kInfinite)).count(),
                        .weight = engine.weight,
                        .solo_mean = services.back().mean});
  }
  for (const auto& path : request.paths) {
    paths_.push_back({.engines = path.engines, .waits = path.waits.count(), .deadline = path.deadline.count()});
  }
}

Units PlanProblem::units(Size size) const {
  if (size.is_whole) return {device_.whole * device_.each.count + device_.remainder.count};
  return {size.groups * device_.each.count + (size.is_rest ? device_.remainder.count : 0)};
}

const Service& PlanProblem::alone(std::size_t engine, Size size) const {
  return services_[engine][number(size, groups())];
}

double PlanProblem::contention(std::size_t engine, EngineSet together) const {
  double factor = 1;
  for (std::size_t other = 0; other < contention_.size(); ++other) {
    if ((together & only(other)) == 0) factor *= contention_[engine][other];
  }
  return factor;
}

double PlanProblem::least_contention(std::size_t engine) const {
  double factor = 1;
  for (std::size_t other = 0; other < contention_.size(); ++other) {
    if (other != engine) factor *= std::min(1.0, contention_[engine][other]);
  }
  return factor;
}

std::span<const PredictionFactors> PlanProblem::corrections(EngineSet block, Sharing sharing) const {
  if (corrections_.empty()) return {};
  const auto found = corrections_.find({block, sharing});
  if (found == corrections_.end()) return {};
  return found->second;
}

double PlanProblem::most_rate_correction(std::size_t engine) const {
  double most = 1;
  for (const auto& [key, factors] : corrections_) {
    if ((key.first & only(engine)) == 0) continue;
    // The engine's factors come after the factors of the members below it.
    most = std::max(most, factors[static_cast<std::size_t>(std::popcount(key.first & (only(engine) - 1)))].rate);
  }
  return most;
}

}  // namespace greenlane::detail

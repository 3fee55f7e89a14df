#include "planner/plan_error.hpp"

#include "planner/path_search.hpp"

#include <greenlane/detail/planner/limits.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace greenlane::detail {
namespace {

// For each what-if search: there are many of them, and a plan that was found needs no proof.
constexpr std::int64_t kMostSteps = 10'000'000;
constexpr double kLeastRate = 1.0 / 64;
constexpr double kRatePrecision = 1.01;

bool fits(const PlanRequest& request) {
  const PlanProblem problem(request);
  return search_with_paths(problem, 1, std::min(request.most_steps, kMostSteps)).best.front().score.violation == 0;
}

std::vector<Shortfall> shortfalls_of(const PlanRequest& request, const Plan& closest) {
  std::vector<Shortfall> shortfalls;
  for (std::size_t i = 0; i < request.engines.size(); ++i) {
    const auto& engine = request.engines[i];
    if (!engine.deadline) continue;
    const auto p99 = closest.engines[i].p99;
    if (!exceeds(p99.count() * (1 + request.margin), engine.deadline->count())) continue;
    shortfalls.push_back({.name = engine.name,
                          .deadline = *engine.deadline,
                          .allowed = *engine.deadline / (1 + request.margin),
                          .p99 = p99});
  }
  for (std::size_t i = 0; i < request.paths.size(); ++i) {
    const auto& path = request.paths[i];
    const auto latency = closest.paths[i].latency;
    const auto needed = (latency - path.waits) * (1 + request.margin) + path.waits;
    if (!exceeds(needed.count(), path.deadline.count())) continue;
    const auto allowed = (path.deadline - path.waits) / (1 + request.margin) + path.waits;
    shortfalls.push_back(
        {.name = path.name, .is_path = true, .deadline = path.deadline, .allowed = allowed, .p99 = latency});
  }
  std::ranges::stable_sort(shortfalls,
                           [](const auto& a, const auto& b) { return a.p99 / a.allowed > b.p99 / b.allowed; });
  return shortfalls;
}

const PathDemand& path_named(const PlanRequest& request, const std::string& name) {
  return *std::ranges::find(request.paths, name, &PathDemand::name);
}

// Rounds up to three digits, so that the stated value is enough.
double rounded_up(double value) {
  const double digit = std::pow(10, std::floor(std::log10(value)) - 2);
  return std::ceil(value / digit * (1 - 1e-12)) * digit;
}
double rounded_down(double value) {
  const double digit = std::pow(10, std::floor(std::log10(value)) - 2);
  return std::floor(value / digit * (1 + 1e-12)) * digit;
}

std::vector<Microseconds> deadlines_that_do(const PlanRequest& request, const std::vector<Shortfall>& shortfalls) {
  std::vector<Microseconds> deadlines;
  for (const auto& shortfall : shortfalls) {
    if (!std::isfinite(shortfall.p99.count())) return {};
    const auto waits = shortfall.is_path ? path_named(request, shortfall.name).waits : Microseconds(0);
    const auto needed = (shortfall.p99 - waits) * (1 + request.margin) + waits;
    deadlines.emplace_back(rounded_up(needed.count()));
  }
  return deadlines;
}

std::optional<double> rate_that_does(PlanRequest request, const Shortfall& worst) {
  if (worst.is_path) return {};
  auto& engine = *std::ranges::find(request.engines, worst.name, &EngineDemand::name);
  if (!engine.period) return {};
  const auto period = *engine.period;
  const auto fits_at = [&](double share) {
    engine.period = period / share;
    return fits(request);
  };
  double fitting = kLeastRate;
  if (!fits_at(fitting)) return {};
  for (double too_fast = 1; too_fast / fitting > kRatePrecision;) {
    const double middle = std::sqrt(too_fast * fitting);
    (fits_at(middle) ? fitting : too_fast) = middle;
  }
  const double rate = rounded_down(1e6 / period.count() * fitting);
  engine.period = Microseconds(1e6 / rate);
  return fits(request) ? std::optional(rate) : std::nullopt;
}

std::optional<int> groups_that_do(PlanRequest request) {
  const int present = request.device.whole;
  const auto fits_with = [&](int more) {
    request.device.whole = present + more;
    return fits(request);
  };
  int fitting = present;
  if (present == 0 || !fits_with(fitting)) return {};
  for (int too_few = 0; fitting - too_few > 1;) {
    const int middle = (fitting + too_few) / 2;
    (fits_with(middle) ? fitting : too_few) = middle;
  }
  return fitting;
}

std::string milliseconds(Microseconds time) { return fmt::format("{:.4g} ms", time.count() / 1000); }

std::string also(const std::vector<Shortfall>& shortfalls) {
  std::string text;
  for (std::size_t i = 1; i < shortfalls.size(); ++i)
    text += fmt::format("{}'{}'", i == 1 ? "; " : ", ", shortfalls[i].name);
  if (shortfalls.size() > 1) text += shortfalls.size() == 2 ? " is late, too" : " are late, too";
  return text;
}

std::string why_of_path(const PlanRequest& request, const Shortfall& worst) {
  const auto& path = path_named(request, worst.name);
  std::string engines;
  for (const auto engine : path.engines)
    engines += fmt::format("{}'{}'", engines.empty() ? "" : ", ", request.engines[engine].name);
  auto why = fmt::format(
      "path '{}' over {} exceeds its deadline of {} by {:.3g} % (with the margin of {:.3g} %) where it "
      "comes closest, with {}",
      worst.name, engines, milliseconds(worst.deadline), 100 * (worst.p99 / worst.allowed - 1), 100 * request.margin,
      milliseconds(worst.p99));
  if (path.waits.count() > 0) why += fmt::format(", {} of them waits for timers", milliseconds(path.waits));
  return why;
}

std::string why_of(const PlanRequest& request, const std::vector<Shortfall>& shortfalls) {
  const auto& worst = shortfalls.front();
  if (worst.is_path) return why_of_path(request, worst) + also(shortfalls);
  const auto& engine = *std::ranges::find(request.engines, worst.name, &EngineDemand::name);
  std::string why;
  if (std::isfinite(worst.p99.count())) {
    why = fmt::format(
        "engine '{}' exceeds its deadline of {} by {:.3g} % (with the margin of {:.3g} %) where it comes "
        "closest, with a p99 of {}",
        worst.name, milliseconds(worst.deadline), 100 * (worst.p99 / worst.allowed - 1), 100 * request.margin,
        milliseconds(worst.p99));
  } else if (engine.period) {
    why = fmt::format("engine '{}' cannot keep up with its {:.4g} Hz beside the others", worst.name,
                      1e6 / engine.period->count());
  } else {
    why = fmt::format("engine '{}' runs back to back and uses all time of the partition", worst.name);
  }
  const DeviceGroups& device = request.device;
  const auto alone = Microseconds(Curve(engine).at({device.whole * device.each.count + device.remainder.count}).p99);
  if (alone > worst.allowed) why += fmt::format(" (alone on the whole device: {})", milliseconds(alone));
  return why + also(shortfalls);
}

std::string remedy_of(const PlanRequest& request, const std::vector<Shortfall>& shortfalls,
                      const PlanRemedies& remedies) {
  std::vector<std::string> ways;
  if (!remedies.deadlines.empty()) {
    std::string way;
    for (std::size_t i = 0; i < shortfalls.size(); ++i) {
      way += fmt::format("{} of {} for '{}'", i == 0 ? "a deadline" : " and", milliseconds(remedies.deadlines[i]),
                         shortfalls[i].name);
    }
    ways.push_back(std::move(way));
  }
  if (remedies.rate_hz) ways.push_back(fmt::format("{:.4g} Hz for '{}'", *remedies.rate_hz, shortfalls.front().name));
  if (remedies.groups) ways.push_back(fmt::format("{} units more", *remedies.groups * request.device.each.count));
  if (ways.empty()) return "lower the rates, remove an engine, or give an engine gates or its own partition";
  return fmt::format("possible remedy: {}", fmt::join(ways, ", or "));
}

}  // namespace

PlanError plan_error(const PlanRequest& request, const Plan& closest, bool exact) {
  auto shortfalls = shortfalls_of(request, closest);
  PlanRemedies remedies{.deadlines = deadlines_that_do(request, shortfalls),
                        .rate_hz = rate_that_does(request, shortfalls.front()),
                        .groups = groups_that_do(request)};
  return {{.what = exact ? "no plan meets all deadlines" : "found no plan that meets all deadlines",
           .why = why_of(request, shortfalls),
           .remedy = remedy_of(request, shortfalls, remedies)},
          std::move(shortfalls),
          std::move(remedies)};
}

}  // namespace greenlane::detail

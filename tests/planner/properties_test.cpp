#include "planner/plan.hpp"
#include "support/plan_requests.hpp"

#include <greenlane/detail/planner/limits.hpp>
#include <greenlane/detail/planner/planner.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

namespace greenlane {
namespace {

using greenlane::testing::random_request;

// Returns a number from `low` to `high`, both included. The size is nominal from the first test on, because the first
// tests would otherwise hardly test anything.
int any_number(int low, int high) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high + 1)); }

PlanRequest any_request(int most_engines = 5, int most_groups = 6) {
  return random_request(any_number, most_engines, most_groups);
}

std::optional<Plan> plan_if_any(const PlanRequest& request) {
  try {
    return make_plan(request);
  } catch (const PlanError&) {
    return {};
  }
}

std::size_t any_engine(const PlanRequest& request) {
  return static_cast<std::size_t>(any_number(0, static_cast<int>(request.engines.size()) - 1));
}

// Checks that a plan is not worse than `before`, if there was one.
void assert_not_worse(const std::optional<Plan>& after, const std::optional<Plan>& before) {
  if (!before) return;
  RC_ASSERT(after.has_value());
  RC_ASSERT(after->throughput >= before->throughput);
}

RC_GTEST_PROP(Plans, PlansMeetDeadlinesAndFitTheDevice, ()) {
  const auto request = any_request();
  RC_PRE(plan_if_any(request).has_value());
  for (const auto& plan : plan_candidates(request, 3)) {
    int units = 0;
    std::vector<int> seen(request.engines.size());
    for (const auto& partition : plan.partitions) {
      units += partition.units.count;
      RC_ASSERT(partition.units.count > 0);
      RC_ASSERT(partition.is_rest || partition.is_whole || partition.units.count % request.device.each.count == 0);
      RC_ASSERT(partition.is_whole == (plan.partitions.size() == 1));
      for (const auto engine : partition.engines) ++seen[engine];
    }
    RC_ASSERT(units <= request.device.whole * request.device.each.count + request.device.remainder.count);
    RC_ASSERT(std::ranges::all_of(seen, [](int times) { return times == 1; }));
    for (std::size_t i = 0; i < plan.engines.size(); ++i) {
      const auto& engine = plan.engines[i];
      RC_ASSERT(engine.p50 <= engine.p99);
      if (request.engines[i].deadline)
        RC_ASSERT(!exceeds(engine.p99.count() * (1 + request.margin), request.engines[i].deadline->count()));
      RC_ASSERT(!engine.gated || !request.engines[i].slices.empty());
    }
  }
}

RC_GTEST_PROP(Plans, PlansNeverUseTheOddGroupAlone, (bool locally)) {
  auto request = any_request();
  // Adds the odd group to each curve, as the size on which the engine is fastest.
  request.device.remainder = {any_number(1, 12)};
  for (auto& engine : request.engines) {
    const auto is_odd = [&](const LatencyPoint& point) { return point.units == request.device.remainder; };
    if (std::ranges::any_of(engine.curve, is_odd)) continue;
    const Microseconds fast(0.01);
    engine.curve.push_back({.units = request.device.remainder, .p50 = fast, .p99 = fast, .mean = fast});
  }
  if (locally) request.most_steps = 0;
  RC_PRE(plan_if_any(request).has_value());
  for (const auto& plan : plan_candidates(request, 5)) {
    int rests = 0;
    for (const auto& partition : plan.partitions) {
      if (!partition.is_rest) continue;
      ++rests;
      RC_ASSERT(partition.units.count >= request.device.each.count + request.device.remainder.count);
    }
    RC_ASSERT(rests <= 1);
    (void)predict(request, plan.partitions);
  }
}

RC_GTEST_PROP(Plans, ALaterDeadlineMakesNoPlanWorse, ()) {
  auto request = any_request();
  const auto before = plan_if_any(request);
  auto& deadline = request.engines[any_engine(request)].deadline;
  RC_PRE(deadline.has_value());
  *deadline *= any_number(101, 300) / 100.0;
  assert_not_worse(plan_if_any(request), before);
}

RC_GTEST_PROP(Plans, ASmallerMarginMakesNoPlanWorse, ()) {
  auto request = any_request();
  const auto before = plan_if_any(request);
  request.margin *= any_number(0, 99) / 100.0;
  assert_not_worse(plan_if_any(request), before);
}

RC_GTEST_PROP(Plans, LessContentionMakesNoPlanWorse, ()) {
  auto request = any_request();
  RC_PRE(!request.contention.empty());
  const auto before = plan_if_any(request);
  request.contention[any_engine(request)][any_engine(request)] *= 0.9;
  assert_not_worse(plan_if_any(request), before);
}

RC_GTEST_PROP(Plans, PlansDoNotDependOnTheUnitOfTime, ()) {
  auto request = any_request();
  const auto before = plan_if_any(request);
  for (auto& engine : request.engines) {  // a power of two, so that nothing is rounded
    for (auto& point : engine.curve) {
      point = {point.units, point.p50 * 4, point.p99 * 4, point.mean * 4, point.device};
      if (point.device) *point.device *= 4;
    }
    for (auto& point : engine.slices) point.in_flight *= 4;
    if (engine.period) *engine.period *= 4;
    if (engine.deadline) *engine.deadline *= 4;
  }
  const auto after = plan_if_any(request);
  RC_ASSERT(after.has_value() == before.has_value());
  if (!before) return;
  RC_ASSERT(after->throughput == before->throughput);
  RC_ASSERT(after->slack == before->slack);
}

RC_GTEST_PROP(Plans, APredictionOfAPlansPartitionsEqualsThePlan, ()) {
  const auto request = any_request();
  const auto plan = plan_if_any(request);
  RC_PRE(plan.has_value());
  const auto predicted = predict(request, plan->partitions);
  RC_ASSERT(predicted.throughput == plan->throughput);
  RC_ASSERT(predicted.slack == plan->slack);
  RC_ASSERT(predicted.meets_deadlines);
  for (std::size_t i = 0; i < plan->engines.size(); ++i) {
    RC_ASSERT(predicted.engines[i].p99 == plan->engines[i].p99);
    RC_ASSERT(predicted.engines[i].lane == plan->engines[i].lane);
  }
}

RC_GTEST_PROP(Plans, LocalPlansAreWithinTheirGap, ()) {
  auto request = any_request();
  const auto best = plan_if_any(request);
  request.most_steps = 0;
  const auto found = plan_if_any(request);
  RC_ASSERT(best.has_value() || !found.has_value());
  RC_PRE(found.has_value());
  RC_ASSERT(!found->exact);
  RC_ASSERT(best->throughput >= found->throughput);
  RC_ASSERT(best->throughput <= found->throughput + found->gap + 1e-9);
}

RC_GTEST_PROP(Candidates, CandidatesAreDistinctAndOrdered, (bool locally)) {
  auto request = any_request();
  const auto best = plan_if_any(request);
  RC_PRE(best.has_value());
  if (locally) request.most_steps = 0;
  RC_PRE(plan_if_any(request).has_value());
  const auto plans = plan_candidates(request, 4);
  RC_ASSERT(plans.front().throughput <= best->throughput);
  RC_ASSERT(locally || plans.front().throughput == best->throughput);
  std::set<std::set<std::vector<std::size_t>>> seen;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    RC_ASSERT(plans[i].throughput + plans[i].gap >= best->throughput - 1e-9);
    if (i > 0) RC_ASSERT(plans[i].throughput <= plans[i - 1].throughput);
    std::set<std::vector<std::size_t>> partitions;
    for (const auto& partition : plans[i].partitions) partitions.insert(partition.engines);
    RC_ASSERT(seen.insert(partitions).second);
  }
}

RC_GTEST_PROP(PlanErrors, TheRemedyOfAnErrorMakesAPlanPossible, ()) {
  const auto request = any_request(4, 4);
  try {
    (void)make_plan(request);
    RC_DISCARD("a plan exists");
  } catch (const PlanError& error) {
    RC_ASSERT(!error.shortfalls().empty());
    const auto& worst = error.shortfalls().front();
    RC_ASSERT(worst.p99 > worst.allowed);
    RC_ASSERT(std::string(error.what()).find('\'' + worst.name + '\'') != std::string::npos);
    const auto find = [](PlanRequest& in, const std::string& name) -> EngineDemand& {
      return *std::ranges::find(in.engines, name, &EngineDemand::name);
    };
    const auto& remedies = error.remedies();
    if (!remedies.deadlines.empty()) {
      auto changed = request;
      RC_ASSERT(remedies.deadlines.size() == error.shortfalls().size());
      for (std::size_t i = 0; i < remedies.deadlines.size(); ++i)
        find(changed, error.shortfalls()[i].name).deadline = remedies.deadlines[i];
      RC_ASSERT(plan_if_any(changed).has_value());
    }
    if (remedies.rate_hz) {
      auto changed = request;
      find(changed, worst.name).period = Microseconds(1e6 / *remedies.rate_hz);
      RC_ASSERT(plan_if_any(changed).has_value());
    }
    if (remedies.groups) {
      auto changed = request;
      changed.device.whole += *remedies.groups;
      RC_ASSERT(plan_if_any(changed).has_value());
    }
  }
}

}  // namespace
}  // namespace greenlane

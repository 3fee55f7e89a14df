#include "planner/path_search.hpp"
#include "planner/plan.hpp"
#include "planner/plan_error.hpp"
#include "planner/throughput_bound.hpp"

#include <greenlane/detail/planner/planner.hpp>

#include <algorithm>

namespace greenlane {
namespace {

double gap(const detail::Division& division, std::int64_t throughput_bound) {
  return static_cast<double>(std::max<std::int64_t>(0, throughput_bound - division.score.throughput)) / 1e6;
}

}  // namespace

Plan make_plan(const PlanRequest& request) { return plan_candidates(request, 1).front(); }

std::vector<Plan> plan_candidates(const PlanRequest& request, std::size_t count) {
  const detail::PlanProblem problem(request);
  const auto found = detail::search_with_paths(problem, std::max<std::size_t>(count, 1), request.most_steps);
  std::vector<Plan> plans;
  for (const auto& division : found.best) {
    auto& plan = plans.emplace_back(detail::plan_of(request, problem, division));
    plan.exact = found.exact;
    plan.gap = gap(division, found.throughput_bound);
  }
  if (!plans.front().meets_deadlines) throw detail::plan_error(request, plans.front(), found.exact);
  std::erase_if(plans, [](const Plan& plan) { return !plan.meets_deadlines; });
  return plans;
}

Plan predict(const PlanRequest& request, std::span<const PlannedPartition> partitions) {
  const detail::PlanProblem problem(request);
  const auto division = detail::division_of(request, problem, partitions);
  auto plan = detail::plan_of(request, problem, division);
  plan.exact = false;
  plan.gap = gap(division, detail::throughput_bound(problem));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if (!partitions[i].name.empty()) plan.partitions[i].name = partitions[i].name;
  }
  return plan;
}

}  // namespace greenlane

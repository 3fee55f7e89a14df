// Between divisions, which the search knows, and plans, which users do.
#pragma once

#include "planner/search.hpp"

#include <span>

namespace greenlane::detail {

// Names, lanes, priorities and predictions. `exact` and `gap` are for the searcher to fill in.
[[nodiscard]] Plan plan_of(const PlanRequest& request, const PlanProblem& problem, const Division& division);

// Throws ConfigError where they do not fit the device, share in a way that cannot be, or leave an engine out.
[[nodiscard]] Division division_of(const PlanRequest& request, const PlanProblem& problem,
                                   std::span<const PlannedPartition> partitions);

}  // namespace greenlane::detail

// Converts between the divisions of the search and the plans of users.
#pragma once

#include "planner/search.hpp"

#include <span>

namespace greenlane::detail {

// Returns the plan with names, lanes, priorities and predictions. The caller fills in `exact` and `gap`.
[[nodiscard]] Plan plan_of(const PlanRequest& request, const PlanProblem& problem, const Division& division);

// Returns the division that the partitions make.
// Throws: ConfigError where they do not fit the device, share in an impossible way, or leave an engine out.
[[nodiscard]] Division division_of(const PlanRequest& request, const PlanProblem& problem,
                                   std::span<const PlannedPartition> partitions);

}  // namespace greenlane::detail

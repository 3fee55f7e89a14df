// Builds the error for a request whose deadlines no plan meets.
#pragma once

#include <greenlane/detail/planner/planner.hpp>

namespace greenlane::detail {

// Returns an error that names the engines which miss their deadlines in the plan that comes closest. Looks for changes
// that would make all engines fit, by some twenty searches. `exact`: no better plan exists.
[[nodiscard]] PlanError plan_error(const PlanRequest& request, const Plan& closest, bool exact);

}  // namespace greenlane::detail

// What to say where no plan meets all deadlines.
#pragma once

#include <greenlane/planner/planner.hpp>

namespace greenlane::detail {

// Says which engines miss their deadlines in the plan that comes closest. Looks for changes that would make all engines
// fit: some twenty searches. `exact`: no better plan exists.
[[nodiscard]] PlanError plan_error(const PlanRequest& request, const Plan& closest, bool exact);

}  // namespace greenlane::detail

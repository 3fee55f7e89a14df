// The work of `greenlane plan`: finds lanes that meet every deadline.
#pragma once

#include "cli/plan_arguments.hpp"

namespace greenlane::cli {

// Returns the exit status.
// Throws: Error.
[[nodiscard]] int plan(const PlanArguments& arguments);

}  // namespace greenlane::cli

// Bounds the throughput of all divisions.
#pragma once

#include "planner/problem.hpp"

#include <cstdint>

namespace greenlane::detail {

// Returns an upper bound of every division's throughput, in millionths. A best-effort engine that gets a share x of the
// time on u units uses x·u of the device's units. Urgent engines use at least what they need. Without the rules that
// partitions are fixed, whole groups and shared fairly, a fractional knapsack is left. A greedy choice solves it.
[[nodiscard]] std::int64_t throughput_bound(const PlanProblem& problem);

}  // namespace greenlane::detail

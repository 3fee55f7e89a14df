// Searches for divisions without looking at all of them.
#pragma once

#include "planner/division.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace greenlane::detail {

// Moves engines between blocks, and joins blocks, from several starts, while that improves the score. It serves
// problems with too many engines to try all sets of blocks. Takes about `most_steps` comparisons of two sizes at most,
// but some in any case.
// Returns: up to `count` divisions that differ in their sets of blocks, the best first; at least one.
[[nodiscard]] std::vector<Division> search_locally(const PlanProblem& problem, std::size_t count,
                                                   std::int64_t most_steps);

}  // namespace greenlane::detail

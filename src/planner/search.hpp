// Searches for the best division of a device among engines.
#pragma once

#include "planner/division.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace greenlane::detail {

struct SearchResult {
  std::vector<Division> best;  // at least one, the best first; meets deadlines where its violation is 0
  bool exact = true;
  // An upper bound of the throughput of all divisions that meet deadlines.
  std::int64_t throughput_bound = 0;
  std::int64_t steps = 0;  // that an exact search took, at most
};

// Returns the `count` best divisions that differ in their sets of blocks. Exact where that takes no more than
// `most_steps`, a step being one comparison of two sizes. Otherwise a local search, which takes about that number of
// steps at most, but some in any case.
[[nodiscard]] SearchResult search(const PlanProblem& problem, std::size_t count, std::int64_t most_steps);

}  // namespace greenlane::detail

// Searches for the best division of a device among engines that lie on paths.
#pragma once

#include "planner/search.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace greenlane::detail {

// The predictions of a division that concern paths.
struct PathPrediction {
  Score score;                    // of the whole division, paths included
  std::vector<double> p99;        // by engine, in microseconds
  std::vector<double> latencies;  // by path: the sum of the p99s of its engines, and its waits
};
[[nodiscard]] PathPrediction predict_paths(const PlanProblem& problem, const Division& division);

// As search(), and divisions must meet the deadlines of paths, too. `count`: as of search(); only the first is certain
// to be the best of its kind.
//
// A path's latency depends on several partitions, so the best division cannot be put together from best parts. The
// search leaves paths out at first, which gives a bound, and then tries all ways to shorten a path: on each, one of the
// path's engines must be faster than it was.
[[nodiscard]] SearchResult search_with_paths(const PlanProblem& problem, std::size_t count, std::int64_t most_steps);

}  // namespace greenlane::detail

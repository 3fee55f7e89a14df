// The search for the best division of a device among engines.
#pragma once

#include "planner/division.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace greenlane::detail {

struct SearchResult {
  std::vector<Division> best;  // at least one, the best first; meets deadlines where its violation is 0
  bool exact = true;
  // No division's throughput is higher, if it meets deadlines.
  std::int64_t throughput_bound = 0;
};

// The `count` best that differ in who shares with whom. Exact where that takes no more than `most_steps`, a step being
// one comparison of two sizes; else a local search, which takes about as many at most, but some in any case.
[[nodiscard]] SearchResult search(const PlanProblem& problem, std::size_t count, std::int64_t most_steps);

// Keeps the best, each set of blocks once, the earlier of equals.
class BestDivisions {
 public:
  explicit BestDivisions(std::size_t count) : count_(count) {}
  [[nodiscard]] bool wants(const Score& score) const { return best_.size() < count_ || score > best_.back().score; }
  void add(Division division);
  [[nodiscard]] std::vector<Division> take() { return std::move(best_); }

 private:
  std::size_t count_;
  std::vector<Division> best_;
};

// From several starts, engines are moved between blocks, and blocks put together, while that makes it better. For more
// engines than all sets of blocks can be tried of.
[[nodiscard]] std::vector<Division> search_locally(const PlanProblem& problem, std::size_t count,
                                                   std::int64_t most_steps);

// An upper bound of every division's throughput. A best-effort engine in a partition of u units, for which it gets a
// share x of the time, uses x·u of the device's units; urgent engines use what they need at least. Whoever drops that
// partitions are fixed, whole groups, and shared fairly, is left with a fractional knapsack, solved greedily.
[[nodiscard]] std::int64_t throughput_bound(const PlanProblem& problem);

}  // namespace greenlane::detail

#include "planner/search.hpp"

#include "planner/best_divisions.hpp"
#include "planner/local_search.hpp"
#include "planner/throughput_bound.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace greenlane::detail {
namespace {

// Returns the number of ways to put the engines into blocks (Bell's numbers), by the Bell triangle.
double set_partitions(std::size_t engines) {
  std::vector<double> row{1};
  for (std::size_t i = 1; i < engines; ++i) {
    std::vector<double> next{row.back()};
    for (const double value : row) next.push_back(next.back() + value);
    row = std::move(next);
  }
  return row.back();
}

// Returns the number of comparisons of two sizes. Each beginning of a set of blocks takes the same number of them, and
// there are no more beginnings than sets.
double steps(const PlanProblem& problem) {
  const double groups = problem.groups() + 1;
  return set_partitions(problem.engines()) * groups * (groups + 1) / 2 * (problem.has_remainder() ? 3 : 1);
}

// A visit of all sets of blocks. The next block always has the lowest engine that is left. Sizes are worked out once
// for all sets that begin with the same blocks.
class Enumeration {
 public:
  Enumeration(const PlanProblem& problem, std::size_t count) : scores_(problem), stack_(scores_), best_(count) {
    const auto all = problem.all();
    const auto whole = scores_.on_whole_device(all);
    if (best_.wants(whole.score)) {
      best_.add(
          {.score = whole.score, .blocks = {{.engines = all, .size = {.is_whole = true}, .sharing = whole.sharing}}});
    }
    extend(all, true);
  }
  [[nodiscard]] std::vector<Division> take() { return best_.take(); }

 private:
  void extend(EngineSet left, bool is_first) {
    const EngineSet lowest = left & -left;
    const EngineSet others = left & ~lowest;
    // Visits all subsets of the others, the full one first.
    for (EngineSet with = others;; with = (with - 1) & others) {
      const EngineSet block = lowest | with;
      if (!is_first || block != left) try_next(block, left & ~block);
      if (with == 0) break;
    }
  }

  void try_next(EngineSet block, EngineSet left) {
    stack_.push(block);
    if (!stack_.is_hopeless()) {
      if (left != 0) {
        extend(left, false);
      } else if (best_.wants(stack_.best())) {
        best_.add(stack_.best_division());
      }
    }
    stack_.pop();
  }

  BlockScores scores_;
  SizeStack stack_;
  BestDivisions best_;
};

}  // namespace

SearchResult search(const PlanProblem& problem, std::size_t count, std::int64_t most_steps) {
  const double needed = steps(problem);
  if (needed <= static_cast<double>(most_steps)) {
    auto best = Enumeration(problem, count).take();
    const auto bound = best.front().score.throughput;
    return {
        .best = std::move(best), .exact = true, .throughput_bound = bound, .steps = static_cast<std::int64_t>(needed)};
  }
  return {.best = search_locally(problem, count, most_steps),
          .exact = false,
          .throughput_bound = throughput_bound(problem)};
}

}  // namespace greenlane::detail

#include "planner/path_search.hpp"

#include "planner/best_divisions.hpp"

#include <greenlane/detail/planner/limits.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <queue>
#include <set>
#include <utility>

namespace greenlane::detail {
namespace {

// A part of all divisions: those in which each engine keeps within its limit.
struct Part {
  std::vector<double> limits;  // of p99 × (1 + margin), by engine
  std::vector<Division> best;  // without regard to paths, the best first
  friend bool operator<(const Part& a, const Part& b) { return b.best.front().score > a.best.front().score; }
};

// Returns the path that makes the division worse than it is without paths; absent: there is none.
std::optional<std::size_t> worst_path(const PlanProblem& problem, const PathPrediction& prediction,
                                      const Score& without) {
  std::optional<std::size_t> worst;
  double most = 0;
  for (std::size_t i = 0; i < problem.paths().size(); ++i) {
    const double share = prediction.latencies[i] / problem.paths()[i].deadline;
    if (share <= most) continue;
    most = share;
    worst = i;
  }
  return prediction.score == without ? std::nullopt : worst;
}

}  // namespace

PathPrediction predict_paths(const PlanProblem& problem, const Division& division) {
  PathPrediction prediction;
  prediction.p99.resize(problem.engines());
  BlockModel model(problem);
  for (const auto& block : division.blocks) {
    prediction.score = prediction.score.with(model.predict(block.engines, block.size, block.sharing));
    for (const auto& engine : model.engines()) prediction.p99[engine.engine] = engine.p99;
  }
  for (const auto& path : problem.paths()) {
    double sum = 0;
    for (const auto engine : path.engines) sum += prediction.p99[engine];
    const double latency = sum + path.waits;
    constexpr double kLeast = -1e9;
    prediction.score.violation += excess(sum * (1 + problem.margin()) + path.waits, path.deadline);
    prediction.score.slack = std::min(prediction.score.slack, std::max(kLeast, 1 - latency / path.deadline));
    prediction.latencies.push_back(latency);
  }
  return prediction;
}

SearchResult search_with_paths(const PlanProblem& problem, std::size_t count, std::int64_t most_steps) {
  std::vector<double> limits;
  for (std::size_t i = 0; i < problem.engines(); ++i) limits.push_back(problem.engine(i).limit);
  auto first = search(problem, count, most_steps);
  if (problem.paths().empty()) return first;

  constexpr std::int64_t kFewestParts = 64;
  constexpr std::int64_t kMostParts = 20'000;
  const auto most_parts = std::clamp(first.steps > 0 ? most_steps / first.steps : kMostParts, kFewestParts, kMostParts);
  SearchResult result{
      .best = {}, .exact = first.exact, .throughput_bound = first.throughput_bound, .steps = first.steps};
  BestDivisions best(count);
  std::priority_queue<Part> parts;
  std::set<std::vector<double>> seen{limits};
  parts.push({.limits = std::move(limits), .best = std::move(first.best)});
  auto part_problem = problem;
  for (std::int64_t visited = 1; !parts.empty(); ++visited) {
    const auto part = parts.top();
    parts.pop();
    // No part that is left holds anything better.
    if (!best.wants(part.best.front().score)) break;
    std::optional<PathPrediction> of_first;
    for (const auto& division : part.best) {
      auto prediction = predict_paths(problem, division);
      if (best.wants(prediction.score)) best.add({.score = prediction.score, .blocks = division.blocks});
      if (!of_first) of_first = std::move(prediction);
    }
    const bool is_possible = part.best.front().score.violation == 0;
    const auto path = worst_path(problem, *of_first, part.best.front().score);
    if (!is_possible || !path) continue;
    if (visited >= most_parts) {
      result.exact = false;
      break;
    }
    for (const auto engine : problem.paths()[*path].engines) {
      auto tighter = part.limits;
      // By so much that what was found exceeds it.
      tighter[engine] = of_first->p99[engine] * (1 + problem.margin()) * (1 - 2 * kRounding);
      if (!seen.insert(tighter).second) continue;
      for (std::size_t i = 0; i < tighter.size(); ++i) part_problem.set_limit(i, tighter[i]);
      auto found = search(part_problem, count, most_steps);
      result.exact = result.exact && found.exact;
      parts.push({.limits = std::move(tighter), .best = std::move(found.best)});
    }
  }
  result.best = best.take();
  return result;
}

}  // namespace greenlane::detail

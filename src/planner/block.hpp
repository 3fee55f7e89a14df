// Predicts engines that share one partition.
#pragma once

#include "planner/problem.hpp"
#include "planner/queue.hpp"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace greenlane::detail {

// The worth of a plan, or of a part of it. Sums are in millionths, so that they are exact and do not depend on their
// order.
struct Score {
  std::int64_t violation = 0;   // relative excess of p99s with their margins over deadlines, summed
  std::int64_t throughput = 0;  // of best-effort engines, weighted, relative to alone on the whole device, summed
  double slack = 1;             // the smallest

  // Adds a part on other units. Keeps order: a better part makes a better whole, because sums and minima do. So the
  // best whole can be put together from best parts.
  [[nodiscard]] Score with(const Score& other) const {
    return {.violation = violation + other.violation,
            .throughput = throughput + other.throughput,
            .slack = std::min(slack, other.slack)};
  }
  // Greater is better.
  friend std::partial_ordering operator<=>(const Score& a, const Score& b) {
    if (a.violation != b.violation) return b.violation <=> a.violation;
    if (a.throughput != b.throughput) return a.throughput <=> b.throughput;
    return a.slack <=> b.slack;
  }
  friend bool operator==(const Score&, const Score&) = default;
};

// Returns the relative excess over a limit, in millionths; 0 if there is none.
[[nodiscard]] std::int64_t excess(double needed, double limit);

struct EnginePrediction {
  std::size_t engine = 0;
  double p50 = 0;  // microseconds
  double p99 = 0;
  double rate = 0;  // per microsecond
  double utilisation = 0;
};

// A model of engines that share one partition. Reuses its own memory.
// Thread safety: none.
class BlockModel {
 public:
  explicit BlockModel(const PlanProblem& problem) : problem_(&problem) {}

  // Predicts the engines of a block. `gated` is valid only where can_be_gated() returns true.
  Score predict(EngineSet block, Size size, Sharing sharing);
  // Returns the engines of the last prediction, in ascending order.
  [[nodiscard]] std::span<const EnginePrediction> engines() const noexcept { return predictions_; }

  // Returns true where there is an urgent engine and another engine, and every best-effort engine can be cut.
  [[nodiscard]] bool can_be_gated(EngineSet block) const;

 private:
  // A claim to the time that is left, by a best-effort engine or by an urgent one without a rate.
  struct Claim {
    std::size_t member = 0;
    double usage = 0;   // of the server's time, for each unit of the common level
    double demand = 0;  // of the server's time, at most
    double left = 1;    // behind a gate: the share of the time that the gate is open to it
    double got = 0;
  };
  void in_queue();
  void gated(Size size);
  [[nodiscard]] double price(std::size_t urgent, std::size_t best_effort, Size size) const;
  [[nodiscard]] double left_to(std::size_t best_effort, Size size) const;
  void share_out(double available);
  void correct(std::span<const PredictionFactors> factors);
  [[nodiscard]] Score score() const;

  const PlanProblem* problem_;
  std::vector<Service> services_;  // those of the members, with contention
  std::vector<EnginePrediction> predictions_;
  std::vector<Load> loads_;
  std::vector<Claim> claims_;
  double level_ = 0;
};

}  // namespace greenlane::detail

// Tries the plans with the best predictions and chooses by measurement.
#pragma once

#include <greenlane/detail/runtime/planning.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace greenlane::runtime {

/// The choices for trying plans.
struct VerifyOptions {
  /// Duration of one candidate's run.
  Nanoseconds each = std::chrono::seconds(2);
  /// No run begins after this time, except runs of the chosen candidate.
  Nanoseconds budget = std::chrono::seconds(60);
  /// Whether the modes gates, priority and shared are tried, too.
  bool tries_modes = true;
  /// Number of plans that are tried before their results are used.
  std::size_t at_once = 3;
  /// Polled; see RunOptions.
  const std::atomic<bool>* stop = nullptr;
  /// Called before each run.
  std::function<void(const std::string& what)> progress;
};

/// Runs the plans with the best predictions, and the modes gates, priority and shared with the pipeline's own lanes.
/// Evenly divided lanes are run too, if some lanes share units or no plan is predicted to meet the deadlines. Learns
/// from the results and continues with the plans that are then the best, and with sizes next to those of the best one,
/// until no untried plan is expected to be better or the budget is used up.
///
/// Chooses as best_of does, predicts that candidate from its own results, and runs it again, up to four times as long:
/// until every deadline engine's p99 is within 15 % of the prediction, three times at most. Chooses another candidate
/// if the deadlines are then missed, or met without the margin. If nothing meets the deadlines, the result says so: see
/// require_deadlines.
/// Throws: PlanError if no plan is predicted to meet the deadlines and nothing was tried; EngineError after a stop with
/// nothing tried.
[[nodiscard]] PlanResult verify_plans(LoadedPipeline& pipeline, PlanRequest request, const VerifyOptions& options);

}  // namespace greenlane::runtime

// Plans for pipelines: from a profile, and verified on the device.
#pragma once

#include <greenlane/planner/planner.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/runtime/profile.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::runtime {

// What a run of a candidate gave.
struct MeasuredRun {
  std::vector<EngineResult> engines;
  bool meets_deadlines = false;  // every p99 within its deadline, and no engine failed
  bool has_margin = false;       // they are with the request's margin, too
  double throughput = 0;         // as Plan's
  double slack = 1;              // as Plan's
};

struct PredictedEngine {
  Microseconds p50{};
  Microseconds p99{};
  double rate_hz = 0;
  std::optional<double> utilisation;  // as PlannedEngine's; only a plan tells
};

// What a run is to give: by the model, with what was learned so far, or by an earlier run of the same.
struct PredictedRun {
  std::vector<PredictedEngine> engines;
  bool meets_deadlines = false;
  double throughput = 0;
  double slack = 1;
};

// One way to run a pipeline: on the lanes of a plan, or in a mode that needs none.
struct PlanCandidate {
  Mode mode = Mode::lanes;
  std::optional<Plan> plan{};               // in mode lanes, unless they are divided evenly
  PipelineConfig config{};                  // with the plan's lanes
  std::optional<PredictedRun> predicted{};  // before it was measured; absent where nothing was known of the mode
  std::optional<MeasuredRun> measured{};    // the latest run
};

struct PlanResult {
  PlanRequest request;                    // with contention and corrections as they were learned
  std::vector<PlanCandidate> candidates;  // never empty
  std::size_t chosen = 0;
  // Why no plan is predicted to meet the deadlines; absent: one is.
  std::optional<PlanError> no_plan{};
};

// What the planner is asked for a pipeline of which this is known. Throws ConfigError where the profile lacks an
// engine.
[[nodiscard]] PlanRequest plan_request(const PipelineConfig& config, const Profile& profile);

// The configuration with slices as long as they were for the whole device when it was profiled: nothing is left to
// choose, which would take seconds at each run.
[[nodiscard]] PipelineConfig with_slices(PipelineConfig config, const PlanRequest& request);

// The configuration with the plan's lanes, who runs where, and slices as they were profiled.
[[nodiscard]] PipelineConfig with_plan(PipelineConfig config, const Plan& plan);

// With a lane of its own for each engine, and nothing said of units.
[[nodiscard]] PipelineConfig without_lanes(PipelineConfig config);

// The best by prediction. Throws PlanError where no plan meets all deadlines, and ConfigError where the device cannot
// be divided.
[[nodiscard]] PlanResult plan_without_device(const PipelineConfig& config, const PlanRequest& request);

// What these results are worth, in the order of the request's engines. An engine of which no request was due is judged
// by its profile, alone on as many units as it had.
[[nodiscard]] MeasuredRun judged(const PlanRequest& request, std::vector<EngineResult> engines);

// Runs it, with the pipeline's lanes as they were afterwards.
[[nodiscard]] MeasuredRun try_candidate(Pipeline& pipeline, const PlanRequest& request, const PlanCandidate& candidate,
                                        const RunOptions& options);

[[nodiscard]] PredictedRun predicted_by(const Plan& plan);
[[nodiscard]] PredictedRun predicted_by(const MeasuredRun& earlier);

// Throughputs that differ by less are the same: the slack decides.
inline constexpr double kSameThroughput = 0.01;

// What comes first: 0 where deadlines are missed, 1 where they are met, 2 where they are with the margin.
[[nodiscard]] int rank_of(const MeasuredRun& run);

// Of candidates that were all run, the index of the one with the largest slack among those within a hundredth of the
// highest throughput: of those that meet all deadlines with the margin, or else of those that meet them. Where none
// does, of the one with the largest slack.
[[nodiscard]] std::size_t best_of(std::span<const PlanCandidate> candidates);

// Throws PlanError, by what was measured, where the chosen one misses a deadline. What would do is the prediction's.
void require_deadlines(const PlanResult& result);

}  // namespace greenlane::runtime

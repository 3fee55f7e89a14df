// Plans for pipelines: made from a profile, and verified on the device.
#pragma once

#include <greenlane/detail/planner/planner.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::runtime {

/// The results of running a candidate.
struct MeasuredRun {
  std::vector<EngineResult> engines;  ///< in the order of the request
  std::vector<PathResult> paths{};    ///< in the order of the configuration
  bool meets_deadlines = false;       ///< every p99 within its deadline, and no engine failed
  bool has_margin = false;            ///< the same with the request's margin
  double throughput = 0;              ///< see Plan
  double slack = 1;                   ///< see Plan
};

/// The expected results of one engine.
struct PredictedEngine {
  Microseconds p50{};                 ///< median latency
  Microseconds p99{};                 ///< latency that 99 of 100 requests do not exceed
  double rate_hz = 0;                 ///< requests served per second
  std::optional<double> utilisation;  ///< see PlannedEngine; only a plan predicts it
};

/// The expected results of one path.
struct PredictedPath {
  std::string name;    ///< the path's name
  Microseconds p99{};  ///< the latency on its slowest route
};

/// The expected results of a run: from the model with its corrections so far, or from an earlier run of the same
/// candidate.
struct PredictedRun {
  std::vector<PredictedEngine> engines;  ///< in the order of the request
  std::vector<PredictedPath> paths{};    ///< those with a deadline
  bool meets_deadlines = false;          ///< of a plan: margin included
  double throughput = 0;                 ///< see Plan
  double slack = 1;                      ///< see Plan
};

/// One way to run a pipeline: on the lanes of a plan, or in a mode that needs none.
struct PlanCandidate {
  Mode mode = Mode::lanes;                  ///< the mode to run in
  std::optional<Plan> plan{};               ///< in mode lanes, unless the units are divided evenly
  PipelineConfig config{};                  ///< with the plan's lanes
  std::optional<PredictedRun> predicted{};  ///< before it was measured; absent if nothing was known of the mode
  std::optional<MeasuredRun> measured{};    ///< the latest run
};

/// The candidates of a planning, and the choice.
struct PlanResult {
  PlanRequest request;                    ///< with contention and corrections as learned
  std::vector<PlanCandidate> candidates;  ///< never empty
  std::size_t chosen = 0;                 ///< index of the chosen candidate
  /// The reason why no plan is predicted to meet the deadlines; absent: a plan is.
  std::optional<PlanError> no_plan{};
  /// The long kernels behind the choice, one line for each; see with_reasons().
  std::vector<std::string> reasons{};
};

/// Makes the planner's request for a pipeline with this profile.
/// Throws: ConfigError if the profile lacks an engine.
[[nodiscard]] PlanRequest plan_request(const PipelineConfig& config, const Profile& profile);

/// Returns the configuration with the slice lengths that were profiled on the whole device. Nothing is then left to
/// choose, which would take seconds at each run.
[[nodiscard]] PipelineConfig with_slices(PipelineConfig config, const PlanRequest& request);

/// Returns the configuration with the plan's lanes, the engines' lanes, and the profiled slice lengths.
[[nodiscard]] PipelineConfig with_plan(PipelineConfig config, const Plan& plan);

/// Returns the configuration with a separate lane for each engine and no unit counts.
/// Throws: ConfigError if a lane names a device.
[[nodiscard]] PipelineConfig without_lanes(PipelineConfig config);

/// Returns the plan with the best prediction.
/// Throws: PlanError if no plan meets all deadlines; ConfigError if the device cannot be divided.
[[nodiscard]] PlanResult plan_without_device(const PipelineConfig& config, const PlanRequest& request);

/// Judges results, given in the order of the request's engines. An engine that had no request due is judged by its
/// profile, alone on as many units as it had. A path on which no item came is not judged.
[[nodiscard]] MeasuredRun judged(const PlanRequest& request, std::vector<EngineResult> engines,
                                 std::vector<PathResult> paths = {});

/// Runs the candidate. Restores the pipeline's lanes afterwards.
[[nodiscard]] MeasuredRun try_candidate(LoadedPipeline& pipeline, const PlanRequest& request,
                                        const PlanCandidate& candidate, const RunOptions& options);

/// Returns a plan's predictions for a pipeline.
[[nodiscard]] PredictedRun predicted_by(const Plan& plan, const PipelineConfig& config);
/// Takes an earlier run's results as predictions.
[[nodiscard]] PredictedRun predicted_by(const MeasuredRun& earlier);

/// Throughputs that differ by less than this share count as equal; the slack then decides.
inline constexpr double kSameThroughput = 0.01;

/// Returns the rank of a run: 0 if deadlines are missed, 1 if they are met, 2 if they are met with the margin.
[[nodiscard]] int rank_of(const MeasuredRun& run);

/// Returns the index of the best of the candidates, all of which were run. Candidates that meet all deadlines with the
/// margin come first, then those that meet them without it. Among these, the highest throughputs (within a hundredth)
/// are equal, and the largest slack decides. If no candidate meets the deadlines, only the slack decides.
[[nodiscard]] std::size_t best_of(std::span<const PlanCandidate> candidates);

/// Checks the deadlines of the chosen candidate by its measurements.
/// Throws: PlanError if it misses a deadline. The remedies are those of the prediction.
void require_deadlines(const PlanResult& result);

}  // namespace greenlane::runtime

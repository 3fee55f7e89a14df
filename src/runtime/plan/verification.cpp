#include "runtime/division.hpp"
#include "runtime/plan/plans_to_try.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/planner/learn.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/verification.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace greenlane::runtime {
namespace {

constexpr auto kWarmUp = std::chrono::milliseconds(300);
constexpr int kMostConfirmingRuns = 3;
// A p99 is reliable only where some requests are beyond it.
constexpr int kRequestsToConfirm = 500;
constexpr int kMostTimesLonger = 4;
// A plan is confirmed where its predicted p99s differ from the measured ones by at most this share.
constexpr double kConfirmed = 0.15;
// Learning halves an error each time: a factor of 8 is right to a hundredth after these rounds.
constexpr int kRoundsToFit = 9;
// During the search, one odd run is not fully believed: these rounds learn three quarters of its error.
constexpr int kRoundsToLearn = 2;

std::vector<MeasuredEngine> measured_in(const MeasuredRun& run) {
  std::vector<MeasuredEngine> engines;
  for (const auto& engine : run.engines) {
    auto& measured =
        engines.emplace_back(MeasuredEngine{.engine = engine.name, .p50 = {}, .p99 = {}, .rate_hz = engine.rate_hz});
    if (engine.latency.count() == 0) continue;
    measured.p50 = engine.latency.quantile(0.5);
    measured.p99 = engine.latency.quantile(0.99);
  }
  return engines;
}

class Verification {
 public:
  Verification(LoadedPipeline& pipeline, PlanRequest request, const VerifyOptions& options)
      : pipeline_(pipeline),
        original_(pipeline.config()),
        options_(options),
        end_(std::chrono::steady_clock::now() + options.budget),
        end_of_search_(end_) {
    result_.request = std::move(request);
    // Leaves time to run the chosen plan again.
    end_of_search_ -= std::min<Nanoseconds>(confirming_time() + kWarmUp, options.budget / 4);
  }

  PlanResult run() {
    const bool has_partitions = pipeline_.device().info().partition_obstacle.empty();
    if (has_partitions) (void)try_plans(PlansToTry::first);
    const auto sliced = with_slices(original_, result_.request);
    if (has_partitions) try_division(sliced);
    for (const Mode mode : {Mode::gates, Mode::priority, Mode::shared}) {
      if (options_.tries_modes && !is_over(end_of_search_)) (void)try_one({.mode = mode, .config = sliced});
    }
    while (has_partitions &&
           (try_plans(PlansToTry::predicted) || try_plans(PlansToTry::hoped_for) || try_plans(PlansToTry::nearby))) {
    }
    if (result_.candidates.empty()) {
      if (result_.no_plan) throw PlanError(*result_.no_plan);
      throw EngineError(
          {.what = "no plan was tried", .why = "stopped by a signal before the first run", .remedy = "start it again"});
    }
    choose_and_confirm();
    return std::move(result_);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;

  static const MeasuredRun& run_of(const PlanCandidate& candidate) { return candidate.measured.value(); }
  PlanCandidate& chosen() { return result_.candidates[result_.chosen]; }
  [[nodiscard]] bool is_stopped() const { return options_.stop && *options_.stop; }
  [[nodiscard]] bool is_over(Time end) const { return is_stopped() || std::chrono::steady_clock::now() >= end; }

  // Runs the best plans that were not run yet, and learns from them. Returns false when there were none, or no time is
  // left.
  bool try_plans(PlansToTry::Kind kind) {
    if (is_over(end_of_search_) && !result_.candidates.empty()) return false;
    std::vector<Plan> plans;
    try {
      plans = plans_.next(kind, result_, original_, options_.at_once);
    } catch (const PlanError& error) {
      if (kind == PlansToTry::first) result_.no_plan = error;
    }
    bool is_any_new = false;
    for (auto& plan : plans) {
      if (is_over(end_of_search_) && !result_.candidates.empty()) return false;
      auto config = with_plan(original_, plan);
      auto predicted = predicted_by(plan, original_);
      if (!try_one({.plan = std::move(plan), .config = std::move(config), .predicted = std::move(predicted)}))
        return false;
      is_any_new = true;
      const auto& tried = result_.candidates.back();
      (void)learn_from(tried.plan.value(), run_of(tried), kRoundsToLearn);
    }
    return is_any_new;
  }

  // Tries the division that `greenlane run` makes of a file without units. If lanes share units that cannot be
  // divided further, this division is not among the plans, because the operating system's scheduler is in no model.
  void try_division(const PipelineConfig& config) {
    if (is_over(end_of_search_)) return;
    auto candidate = PlanCandidate{.config = divided(config, pipeline_.device().info())};
    const bool are_beside =
        std::ranges::any_of(candidate.config.lanes, [](const auto& lane) { return !lane.beside.empty(); });
    if ((are_beside || result_.no_plan) && plans_.note(candidate.config)) (void)try_one(std::move(candidate));
  }

  // Runs one candidate. Returns false where the run was stopped, because a stopped run says nothing.
  bool try_one(PlanCandidate candidate) {
    auto run = run_once(candidate, options_.each);
    if (!run) return false;
    candidate.measured = std::move(run);
    result_.candidates.push_back(std::move(candidate));
    return true;
  }

  // Returns a duration that is long enough for the deadline engine with the fewest requests, within a limit.
  [[nodiscard]] Nanoseconds confirming_time() const {
    Nanoseconds time = options_.each;
    for (const auto& engine : result_.request.engines) {
      if (!engine.deadline || !engine.period) continue;
      time = std::max(time, std::chrono::duration_cast<Nanoseconds>(kRequestsToConfirm * *engine.period));
    }
    return std::min(time, kMostTimesLonger * options_.each);
  }

  std::optional<MeasuredRun> run_once(const PlanCandidate& candidate, Nanoseconds duration) {
    if (options_.progress) options_.progress(describe(candidate));
    RunOptions options;
    options.duration = duration;
    options.warm_up = kWarmUp;
    options.stop = options_.stop;
    auto run = try_candidate(pipeline_, result_.request, candidate, options);
    if (is_stopped()) return {};
    return run;
  }

  // Corrects the model by the run. Returns the corrected prediction of the plan.
  Plan learn_from(Plan plan, const MeasuredRun& run, int rounds) {
    const auto predict_anew = [&] {
      auto anew = predict(result_.request, plan.partitions);
      anew.exact = plan.exact;
      anew.gap = plan.gap;
      plan = std::move(anew);
    };
    predict_anew();
    // A failed engine makes the run easier for the others, so nothing is learned from it.
    const auto failed = [](const EngineResult& engine) { return !engine.error.empty(); };
    if (std::ranges::any_of(run.engines, failed)) return plan;
    const auto measured = measured_in(run);
    for (int round = 0; round < rounds; ++round) {
      result_.request = learn(std::move(result_.request), plan, measured);
      predict_anew();
    }
    return plan;
  }

  // Chooses the best candidate and runs it again, because the best of many runs was partly lucky. The result then has
  // the prediction that follows from all earlier runs of the candidate, and the measurement of the last one.
  void choose_and_confirm() {
    result_.chosen = best_of(result_.candidates);
    bool was_confirmed_once = false;
    std::optional<MeasuredRun> seen;
    for (int runs = 0; runs < kMostConfirmingRuns && run_of(chosen()).meets_deadlines; ++runs) {
      if (is_stopped() || (was_confirmed_once && is_over(end_))) return;
      seen = seen ? together(*seen, run_of(chosen())) : run_of(chosen());
      if (!confirm(chosen(), *seen)) return;
      was_confirmed_once = true;
      const auto other = best_of(result_.candidates);
      if (rank_of(run_of(result_.candidates[other])) > rank_of(run_of(chosen()))) {
        result_.chosen = other;
        seen.reset();
        runs = -1;
      } else if (is_as_predicted(chosen())) {
        return;
      }
    }
  }

  bool confirm(PlanCandidate& candidate, const MeasuredRun& seen) {
    auto known = candidate;  // `candidate` stays unchanged if the run is stopped
    if (known.plan) {
      known.plan = learn_from(*known.plan, seen, kRoundsToFit);
      known.predicted = predicted_by(*known.plan, original_);
    } else {
      known.predicted = predicted_by(seen);
    }
    auto run = run_once(known, confirming_time());
    if (!run) return false;
    known.measured = std::move(run);
    candidate = std::move(known);
    return true;
  }

  // Merges two runs into one. Its rates are those of the later run, which is not the shorter one.
  [[nodiscard]] MeasuredRun together(const MeasuredRun& earlier, const MeasuredRun& later) const {
    auto engines = later.engines;
    for (std::size_t i = 0; i < engines.size(); ++i) {
      engines[i].latency.merge(earlier.engines[i].latency);
      engines[i].requests += earlier.engines[i].requests;
      engines[i].unserved += earlier.engines[i].unserved;
      engines[i].misses += earlier.engines[i].misses;
    }
    auto paths = later.paths;
    for (std::size_t i = 0; i < paths.size(); ++i) paths[i].latency.merge(earlier.paths[i].latency);
    return judged(result_.request, std::move(engines), std::move(paths));
  }

  [[nodiscard]] bool is_as_predicted(const PlanCandidate& candidate) const {
    for (std::size_t i = 0; i < result_.request.engines.size(); ++i) {
      if (!result_.request.engines[i].deadline) continue;
      if (run_of(candidate).engines[i].latency.count() == 0) continue;  // no request was due
      const Microseconds measured = run_of(candidate).engines[i].latency.quantile(0.99);
      if (std::abs(candidate.predicted.value().engines[i].p99 / measured - 1) > kConfirmed) return false;
    }
    return true;
  }

  static std::string describe(const PlanCandidate& candidate) {
    std::string text(to_string(candidate.mode));
    if (candidate.mode == Mode::lanes && !candidate.plan) return text + ", divided evenly";
    if (!candidate.plan) return text;
    for (const auto& partition : candidate.plan->partitions)
      text += " " + partition.name + "=" + std::to_string(partition.units.count);
    return text;
  }

  LoadedPipeline& pipeline_;
  PipelineConfig original_;
  const VerifyOptions& options_;
  Time end_;
  Time end_of_search_;
  PlanResult result_;
  PlansToTry plans_;
};

}  // namespace

PlanResult verify_plans(LoadedPipeline& pipeline, PlanRequest request, const VerifyOptions& options) {
  return Verification(pipeline, std::move(request), options).run();
}

}  // namespace greenlane::runtime

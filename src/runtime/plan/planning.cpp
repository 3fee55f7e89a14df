#include "text/duration.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/slices_in_flight.hpp>
#include <greenlane/detail/planner/limits.hpp>
#include <greenlane/detail/runtime/planning.hpp>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

// The share of an engine's arrivals that may be missed, because the p99 is what counts.
constexpr double kMostMisses = 0.01;

// Sets the slice to what this time in flight allows. A slice that the user set stays.
void set_slice(EngineConfig& engine, Microseconds in_flight) {
  if (!engine.slice) engine.slice = detail::slice_for(std::chrono::ceil<Nanoseconds>(in_flight));
}

double solo_rate(const EngineDemand& demand) {
  const auto whole = std::ranges::max_element(demand.curve, {}, [](const auto& point) { return point.units.count; });
  return 1e6 / whole->mean.count();
}

// Returns true where no request was due in the measured time, which says nothing for or against the engine.
bool came_never(const EngineResult& engine) { return engine.error.empty() && engine.requests == 0; }

// Returns the p99 that the profile has for the engine alone, at the largest profiled size of at most `units`; at the
// smallest one where all are larger.
double profiled_p99(const EngineDemand& demand, int units) {
  const auto* point = &*std::ranges::min_element(demand.curve, {}, [](const auto& each) { return each.units.count; });
  for (const auto& each : demand.curve) {
    if (each.units.count <= units && each.units.count > point->units.count) point = &each;
  }
  return point->p99.count();
}

double p99_of(const EngineResult& engine, const EngineDemand& demand) {
  return came_never(engine) ? profiled_p99(demand, engine.units) : text::to_microseconds(engine.latency.quantile(0.99));
}

std::string milliseconds_text(Microseconds time) { return std::to_string(time.count() / 1e3) + " ms"; }

// Returns the periods of the timers on a route.
Microseconds waits_on(const PipelineConfig& config, const std::vector<std::size_t>& route) {
  Microseconds waits{0};
  for (const auto index : route) {
    if (config.engines[index].has_timer) waits += config.engines[index].period.value();
  }
  return waits;
}

// Returns the name of a demand: the path's, and its engines if there are several routes.
std::string name_of(const PipelineConfig& config, const PathConfig& path, const std::vector<std::size_t>& route) {
  if (path.routes.size() == 1) return path.name;
  std::string through;
  for (const auto index : route) through += (through.empty() ? "" : ", ") + config.engines[index].name;
  return path.name + " (" + through + ")";
}

void judge_paths(MeasuredRun& run, double margin) {
  for (const auto& path : run.paths) {
    if (!path.deadline || path.latency.count() == 0) continue;
    const double p99 = text::to_microseconds(path.latency.quantile(0.99));
    const double deadline = text::to_microseconds(*path.deadline);
    run.slack = std::min(run.slack, (deadline - p99) / deadline);
    if (exceeds(p99, deadline)) run.meets_deadlines = false;
    if (exceeds(p99 * (1 + margin), deadline)) run.has_margin = false;
  }
}

class Placed {
 public:
  Placed(LoadedPipeline& pipeline, const PipelineConfig& config) : pipeline_(pipeline), former_(pipeline.config()) {
    pipeline_.place(config);
  }
  ~Placed() { pipeline_.place(former_); }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

 private:
  LoadedPipeline& pipeline_;
  PipelineConfig former_;
};

}  // namespace

PlanRequest plan_request(const PipelineConfig& config, const Profile& profile) {
  const auto& device = profile.device;
  PlanRequest request;
  request.device = {.whole = device.groups, .each = device.granularity, .remainder = device.remainder};
  for (const auto& engine : config.engines) {
    const auto known = std::ranges::find(profile.engines, engine.name, &EngineProfile::name);
    if (known == profile.engines.end() || known->curve.empty()) {
      throw ConfigError({.what = config.file.string() + ": engine." + engine.name,
                         .why = "the profile does not have this engine",
                         .remedy = "make a profile of this configuration with `greenlane profile`"});
    }
    if (known->batch_rows != planned_rows(engine)) {
      const auto runs = [](std::optional<std::int64_t> rows) {
        return rows ? "runs of " + std::to_string(*rows) + " rows" : "requests that run alone";
      };
      throw ConfigError({.what = config.file.string() + ": engine." + engine.name,
                         .why = "the profile measured " + runs(known->batch_rows) + ", and the file asks for " +
                                runs(planned_rows(engine)),
                         .remedy = "make a profile of this configuration with `greenlane profile`"});
    }
    EngineDemand demand{.name = engine.name,
                        .curve = known->curve,
                        .period = engine.period,
                        .arrivals = engine.arrivals,
                        .deadline = engine.deadline,
                        .weight = engine.weight,
                        .slices = {}};
    if (engine.gates) demand.slices = known->gated;
    request.engines.push_back(std::move(demand));
  }
  for (const auto& path : config.paths) {
    if (!path.deadline) continue;
    const auto deadline = *path.deadline;
    for (const auto& route : path.routes) {
      request.paths.push_back({.name = name_of(config, path, route),
                               .engines = route,
                               .waits = waits_on(config, route),
                               .deadline = deadline});
    }
  }
  return request;
}

PipelineConfig without_lanes(PipelineConfig config) {
  const auto elsewhere = std::ranges::find_if(config.lanes, [](const auto& lane) { return !lane.device.empty(); });
  if (elsewhere != config.lanes.end()) {
    throw ConfigError({.what = config.file.string() + " is of several devices",
                       .why = "lane '" + elsewhere->name + "' names a device, and a profile is of one device",
                       .remedy = "plan it without a profile: `greenlane plan` measures each device"});
  }
  config.lanes.clear();
  for (auto& engine : config.engines) {
    engine.lane = engine.name;
    config.lanes.push_back({.name = engine.name, .units = {}, .beside = {}});
  }
  return config;
}

PipelineConfig with_slices(PipelineConfig config, const PlanRequest& request) {
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    const auto& slices = request.engines[i].slices;
    if (!slices.empty())
      set_slice(config.engines[i], std::ranges::max_element(slices, {}, &SlicePoint::units)->in_flight);
  }
  return config;
}

PipelineConfig with_plan(PipelineConfig config, const Plan& plan) {
  config.lanes.clear();
  for (const auto& partition : plan.partitions) {
    std::string first;
    for (const auto index : partition.engines) {
      const auto& planned = plan.engines[index];
      config.engines[index].lane = planned.lane;
      config.engines[index].takes_turns = !planned.gated;
      if (planned.gated) set_slice(config.engines[index], planned.in_flight);
      if (std::ranges::find(config.lanes, planned.lane, &LaneConfig::name) != config.lanes.end()) continue;
      LaneConfig lane{.name = planned.lane, .units = {}, .beside = first};
      if (first.empty()) {
        lane.units = partition.is_rest || partition.is_whole ? UnitRequest(rest) : UnitRequest(partition.units);
        first = planned.lane;
      }
      config.lanes.push_back(std::move(lane));
    }
  }
  return config;
}

PlanResult plan_without_device(const PipelineConfig& config, const PlanRequest& request) {
  if (request.device.whole == 0) {
    throw ConfigError({.what = config.file.string() + " cannot be planned",
                       .why = "the device cannot be divided",
                       .remedy = "run it in the modes gates, priority and shared, or let `greenlane plan` try those"});
  }
  PlanResult result{.request = request, .candidates = {}, .chosen = 0};
  auto plan = make_plan(request);
  result.candidates.push_back(
      {.plan = plan, .config = with_plan(config, plan), .predicted = predicted_by(plan, config)});
  return result;
}

MeasuredRun judged(const PlanRequest& request, std::vector<EngineResult> engines, std::vector<PathResult> paths) {
  MeasuredRun run{.engines = std::move(engines),
                  .paths = std::move(paths),
                  .meets_deadlines = true,
                  .has_margin = true,
                  .throughput = 0,
                  .slack = 1};
  for (std::size_t i = 0; i < run.engines.size(); ++i) {
    const auto& engine = run.engines[i];
    const auto& demand = request.engines[i];
    if (!engine.is_triggered && engine.error.empty()) continue;
    const bool may_come_never = demand.period.has_value() && came_never(engine);
    if (!engine.error.empty() || (engine.requests == engine.unserved && !may_come_never)) {
      run.meets_deadlines = false;
      run.slack = -std::numeric_limits<double>::infinity();
    }
    if (!demand.deadline) {
      run.throughput += demand.weight * engine.rate_hz / solo_rate(demand);
      continue;
    }
    const double p99 = p99_of(engine, demand);
    const double deadline = demand.deadline->count();
    run.slack = std::min(run.slack, (deadline - p99) / deadline);
    // Skipped ticks have no latency, so the p99 does not show them.
    const double missed =
        engine.requests > 0 ? static_cast<double>(engine.misses) / static_cast<double>(engine.requests) : 0;
    const bool skips = engine.skipped > 0 && missed > kMostMisses;
    if (skips) run.slack = std::min(run.slack, -missed);
    if (exceeds(p99, deadline) || skips) run.meets_deadlines = false;
    if (exceeds(p99 * (1 + request.margin), deadline)) run.has_margin = false;
  }
  judge_paths(run, request.margin);
  run.has_margin = run.has_margin && run.meets_deadlines;
  return run;
}

MeasuredRun try_candidate(LoadedPipeline& pipeline, const PlanRequest& request, const PlanCandidate& candidate,
                          const RunOptions& options) {
  const Placed placed(pipeline, candidate.config);
  auto result = rehearse(pipeline, candidate.mode, options);
  return judged(request, std::move(result.engines), std::move(result.paths));
}

PredictedRun predicted_by(const Plan& plan, const PipelineConfig& config) {
  PredictedRun run{
      .engines = {}, .meets_deadlines = plan.meets_deadlines, .throughput = plan.throughput, .slack = plan.slack};
  for (const auto& engine : plan.engines) {
    run.engines.push_back(
        {.p50 = engine.p50, .p99 = engine.p99, .rate_hz = engine.rate_hz, .utilisation = engine.utilisation});
  }
  auto route = plan.paths.begin();
  for (const auto& path : config.paths) {
    if (!path.deadline) continue;
    auto& predicted = run.paths.emplace_back(PredictedPath{.name = path.name, .p99 = {}});
    for (std::size_t i = 0; i < path.routes.size() && route != plan.paths.end(); ++i, ++route)
      predicted.p99 = std::max(predicted.p99, route->latency);
  }
  return run;
}

PredictedRun predicted_by(const MeasuredRun& earlier) {
  PredictedRun run{.engines = {},
                   .meets_deadlines = earlier.meets_deadlines,
                   .throughput = earlier.throughput,
                   .slack = earlier.slack};
  for (const auto& engine : earlier.engines) {
    run.engines.push_back({.p50 = engine.latency.quantile(0.5),
                           .p99 = engine.latency.quantile(0.99),
                           .rate_hz = engine.rate_hz,
                           .utilisation = {}});
  }
  for (const auto& path : earlier.paths) {
    if (path.deadline) run.paths.push_back({.name = path.name, .p99 = path.latency.quantile(0.99)});
  }
  return run;
}

int rank_of(const MeasuredRun& run) { return (run.meets_deadlines ? 1 : 0) + (run.has_margin ? 1 : 0); }

std::size_t best_of(std::span<const PlanCandidate> candidates) {
  const auto run = [](const PlanCandidate& candidate) -> const MeasuredRun& { return candidate.measured.value(); };
  const auto rank = [&](const PlanCandidate& candidate) { return rank_of(run(candidate)); };
  const int highest_rank = candidates.empty() ? 0 : rank(*std::ranges::max_element(candidates, {}, rank));
  double highest = -1;
  for (const auto& candidate : candidates) {
    if (rank(candidate) == highest_rank) highest = std::max(highest, run(candidate).throughput);
  }
  const auto is_eligible = [&](const PlanCandidate& candidate) {
    return highest_rank == 0 ||
           (rank(candidate) == highest_rank && run(candidate).throughput >= (1 - kSameThroughput) * highest);
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (!is_eligible(candidates[i])) continue;
    if (!is_eligible(candidates[best]) || run(candidates[i]).slack > run(candidates[best]).slack) best = i;
  }
  return best;
}

void require_deadlines(const PlanResult& result) {
  const auto& chosen = result.candidates.at(result.chosen).measured;
  if (!chosen || chosen->meets_deadlines) return;
  std::vector<Shortfall> shortfalls;
  std::string missed;
  for (std::size_t i = 0; i < chosen->engines.size(); ++i) {
    const auto& engine = chosen->engines[i];
    const auto& demand = result.request.engines[i];
    const auto& deadline = demand.deadline;
    if (!engine.error.empty()) missed += (missed.empty() ? "" : "; ") + engine.name + ": " + engine.error;
    if (!deadline) continue;
    const Microseconds p99(p99_of(engine, demand));
    const bool was_served = engine.requests > engine.unserved || came_never(engine);
    if (!exceeds(p99.count(), deadline->count()) && was_served) continue;
    shortfalls.push_back({.name = engine.name, .deadline = *deadline, .allowed = *deadline, .p99 = p99});
    missed += (missed.empty() ? "" : "; ") + engine.name;
    if (!was_served) {
      missed += " served none of its " + std::to_string(engine.requests) + " requests";
      continue;
    }
    missed += (came_never(engine) ? ", of which no request was due, has by its profile a p99 of " : " had a p99 of ") +
              milliseconds_text(p99) + " for a deadline of " + milliseconds_text(*deadline);
  }
  for (const auto& path : chosen->paths) {
    const Microseconds p99 = path.latency.quantile(0.99);
    if (!path.deadline || path.latency.count() == 0) continue;
    if (!exceeds(p99.count(), Microseconds(*path.deadline).count())) continue;
    shortfalls.push_back(
        {.name = path.name, .is_path = true, .deadline = *path.deadline, .allowed = *path.deadline, .p99 = p99});
    missed += (missed.empty() ? "" : "; ") + ("path '" + path.name) + "' had a p99 of " + milliseconds_text(p99) +
              " for a deadline of " + milliseconds_text(*path.deadline);
  }
  throw PlanError({.what = "no tried plan or mode meets all deadlines",
                   .why = missed,
                   .remedy = result.no_plan ? result.no_plan->remedy()
                                            : "give an engine a later deadline, a lower rate or a smaller model"},
                  std::move(shortfalls), result.no_plan ? result.no_plan->remedies() : PlanRemedies{});
}

}  // namespace greenlane::runtime

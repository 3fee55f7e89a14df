#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/plan_devices.hpp>

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

// Returns an engine that runs on recorded inputs at its rate, on a lane of its own.
EngineConfig apart(const PipelineConfig& config, EngineConfig engine) {
  if (std::ranges::any_of(engine.edges, &EdgeConfig::triggers) && !engine.period) {
    throw ConfigError({.what = config.file.string() + ": engine." + engine.name + " cannot be planned",
                       .why = "new data makes it run, and the rate of its source is not known",
                       .remedy = "give `rate_hz` of the source"});
  }
  engine.has_timer = engine.period.has_value();
  engine.edges.clear();
  engine.from.clear();
  engine.max_age.reset();
  engine.lane = engine.name;
  return engine;
}

std::string device_of(const PipelineConfig& config, const EngineConfig& engine) {
  const auto lane = std::ranges::find(config.lanes, engine.lane, &LaneConfig::name);
  const auto& named = lane == config.lanes.end() ? config.device : lane->device;
  return named == config.device ? std::string() : named;
}

// Adds a part's run to the whole one. `engines`: the places of the part's engines.
template <typename Run>
void add(Run& whole, const Run& part, std::span<const std::size_t> engines) {
  for (std::size_t i = 0; i < engines.size(); ++i) whole.engines[engines[i]] = part.engines[i];
  whole.meets_deadlines = whole.meets_deadlines && part.meets_deadlines;
  whole.throughput += part.throughput;
  whole.slack = std::min(whole.slack, part.slack);
}

}  // namespace

std::vector<DevicePlanPart> device_plan_parts(const PipelineConfig& config) {
  std::vector<DevicePlanPart> parts;
  if (std::ranges::all_of(config.lanes, [](const auto& lane) { return lane.device.empty(); })) return parts;
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    const auto device = device_of(config, config.engines[i]);
    auto known = std::ranges::find(parts, device, &DevicePlanPart::device);
    if (known == parts.end()) {
      auto part = config;
      part.engines.clear();
      part.lanes.clear();
      part.sources.clear();
      part.paths.clear();
      if (!device.empty()) part.device = device;
      known = parts.insert(known, {.device = device, .config = std::move(part), .engines = {}});
    }
    known->engines.push_back(i);
    known->config.engines.push_back(apart(config, config.engines[i]));
    known->config.lanes.push_back({.name = config.engines[i].name, .units = {}});
  }
  return parts;
}

void require_divisible(const PipelineConfig& part, const DeviceInfo& device) {
  if (device.partition_obstacle.empty()) return;
  throw ConfigError({.what = part.file.string() + " cannot be planned on " + to_string(device.id),
                     .why = device.partition_obstacle,
                     .remedy = "put all lanes on one device, where other modes are tried, too"});
}

PlanResult merged_plan(const PipelineConfig& whole, std::span<const DevicePlanPart> parts,
                       std::span<const PlanResult> results) {
  PlanResult merged;
  merged.request.engines.resize(whole.engines.size());
  merged.request.margin = results.front().request.margin;
  PlanCandidate candidate{.mode = Mode::lanes, .config = whole};
  candidate.config.lanes.clear();
  candidate.config.paths.clear();
  const auto has = [&](auto member) {
    return std::ranges::all_of(
        results, [&](const PlanResult& each) { return (each.candidates[each.chosen].*member).has_value(); });
  };
  if (has(&PlanCandidate::predicted))
    candidate.predicted =
        PredictedRun{.engines = std::vector<PredictedEngine>(whole.engines.size()), .meets_deadlines = true};
  if (has(&PlanCandidate::measured)) {
    candidate.measured =
        MeasuredRun{.engines = std::vector<EngineResult>(whole.engines.size()), .meets_deadlines = true};
    candidate.measured->has_margin = true;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    const auto& chosen = results[i].candidates[results[i].chosen];
    for (auto lane : chosen.config.lanes) {
      lane.device = part.device;
      candidate.config.lanes.push_back(std::move(lane));
    }
    for (std::size_t engine = 0; engine < part.engines.size(); ++engine) {
      auto& placed = candidate.config.engines[part.engines[engine]];
      placed.lane = chosen.config.engines[engine].lane;
      placed.slice = chosen.config.engines[engine].slice;
      placed.takes_turns = chosen.config.engines[engine].takes_turns;
      merged.request.engines[part.engines[engine]] = results[i].request.engines[engine];
    }
    if (candidate.predicted) add(*candidate.predicted, chosen.predicted.value(), part.engines);
    if (candidate.measured) {
      const auto& measured = chosen.measured.value();
      add(*candidate.measured, measured, part.engines);
      candidate.measured->has_margin = candidate.measured->has_margin && measured.has_margin;
    }
    if (!merged.no_plan) merged.no_plan = results[i].no_plan;
    merged.reasons.insert(merged.reasons.end(), results[i].reasons.begin(), results[i].reasons.end());
  }
  merged.candidates.push_back(std::move(candidate));
  return merged;
}

}  // namespace greenlane::runtime

#include "text/duration.hpp"
#include "text/json_text.hpp"

#include <greenlane/detail/runtime/device_json.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/report.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

// Returns the number, or null for infinity (never), which JSON does not have.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string_view to_string(Sharing sharing) {
  switch (sharing) {
    case Sharing::alone:
      return "alone";
    case Sharing::queue:
      return "queue";
    case Sharing::gated:
      return "gated";
  }
  return {};
}

Json describe_lanes(const PipelineConfig& config) {
  Json lanes = Json::array();
  for (const auto& lane : config.lanes) {
    Json entry{{"name", lane.name}};
    if (lane.units) entry["units"] = lane.units->is_rest() ? Json("rest") : Json(lane.units->units().count);
    if (!lane.beside.empty()) entry["beside"] = lane.beside;
    if (!lane.device.empty()) entry["device"] = lane.device;
    lanes.push_back(std::move(entry));
  }
  return lanes;
}

Json describe_engine(const PlanCandidate& candidate, std::size_t index) {
  const auto& engine = candidate.config.engines[index];
  Json entry{{"name", engine.name}, {"lane", engine.lane}};
  if (engine.slice && engine.gates && !engine.deadline) entry["slice_us"] = text::to_microseconds(*engine.slice);
  if (candidate.plan) {
    entry["gated"] = candidate.plan->engines[index].gated;
  } else if (engine.takes_turns) {
    entry["gated"] = false;  // of a plan for several devices, which are searched apart
  }
  entry["predicted"] = nullptr;
  if (candidate.predicted) {
    const auto& predicted = candidate.predicted->engines[index];
    entry["predicted"] = {{"p50_us", number(predicted.p50.count())},
                          {"p99_us", number(predicted.p99.count())},
                          {"rate_hz", number(predicted.rate_hz)},
                          {"utilisation", predicted.utilisation ? number(*predicted.utilisation) : Json()}};
  }
  if (candidate.measured) {
    const auto& measured = candidate.measured->engines[index];
    const auto quantile = [&](double q) {
      return measured.latency.count() ? Json(text::to_microseconds(measured.latency.quantile(q))) : Json();
    };
    entry["measured"] = {
        {"p50_us", quantile(0.5)},     {"p99_us", quantile(0.99)},
        {"rate_hz", measured.rate_hz}, {"requests", measured.requests},
        {"misses", measured.misses},   {"error", measured.error.empty() ? Json() : Json(measured.error)}};
  } else {
    entry["measured"] = nullptr;
  }
  return entry;
}

// Describes the paths with a deadline.
Json describe_paths(const PlanCandidate& candidate) {
  Json paths = Json::array();
  for (const auto& path : candidate.config.paths) {
    if (!path.deadline) continue;
    Json entry{{"name", path.name},
               {"deadline_us", text::to_microseconds(*path.deadline)},
               {"predicted_p99_us", nullptr},
               {"measured_p99_us", nullptr}};
    const auto named = [&](const auto& all) {
      return std::ranges::find(all, path.name, [](auto& each) { return each.name; });
    };
    if (candidate.predicted) {
      const auto found = named(candidate.predicted->paths);
      if (found != candidate.predicted->paths.end()) entry["predicted_p99_us"] = number(found->p99.count());
    }
    if (candidate.measured) {
      const auto found = named(candidate.measured->paths);
      if (found != candidate.measured->paths.end() && found->latency.count() > 0)
        entry["measured_p99_us"] = text::to_microseconds(found->latency.quantile(0.99));
    }
    paths.push_back(std::move(entry));
  }
  return paths;
}

template <typename Judged>
Json describe_objective(const Judged& judged) {
  return {
      {"meets_deadlines", judged.meets_deadlines}, {"throughput", judged.throughput}, {"slack", number(judged.slack)}};
}

Json describe_corrections(const PlanRequest& request) {
  if (request.corrections.empty()) return {};
  Json corrections = Json::array();
  for (const auto& correction : request.corrections) {
    Json engines = Json::array();
    for (std::size_t i = 0; i < correction.engines.size(); ++i) {
      const auto& factors = correction.factors[i];
      engines.push_back({{"name", request.engines[correction.engines[i]].name},
                         {"p50", factors.p50},
                         {"p99", factors.p99},
                         {"rate", factors.rate}});
    }
    corrections.push_back({{"sharing", to_string(correction.sharing)}, {"engines", std::move(engines)}});
  }
  return corrections;
}

Json describe(const PlanCandidate& candidate) {
  Json json{{"mode", to_string(candidate.mode)}, {"lanes", describe_lanes(candidate.config)}};
  json["engines"] = Json::array();
  for (std::size_t i = 0; i < candidate.config.engines.size(); ++i)
    json["engines"].push_back(describe_engine(candidate, i));
  if (auto paths = describe_paths(candidate); !paths.empty()) json["paths"] = std::move(paths);
  json["predicted"] = candidate.predicted ? describe_objective(*candidate.predicted) : Json();
  if (candidate.predicted && candidate.plan) {
    json["predicted"]["exact"] = candidate.plan->exact;
    json["predicted"]["gap"] = candidate.plan->gap;
  }
  json["measured"] = candidate.measured ? describe_objective(*candidate.measured) : Json();
  return json;
}

}  // namespace

std::string plan_json(const PlanResult& result, const DeviceInfo& device) {
  Json json;
  json["versions"] = Json::parse(versions_json(device));
  json["device"] = Json::parse(device_json(device));
  json.update(describe(result.candidates[result.chosen]));
  json["margin"] = result.request.margin;
  json["contention"] = result.request.contention.empty() ? Json() : Json(result.request.contention);
  json["corrections"] = describe_corrections(result.request);
  if (!result.reasons.empty()) json["reasons"] = result.reasons;
  json["candidates"] = Json::array();
  for (const auto& candidate : result.candidates) json["candidates"].push_back(describe(candidate));
  return text::json_text(json, 2) + "\n";
}

}  // namespace greenlane::runtime

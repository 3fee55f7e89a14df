#include "text/duration.hpp"
#include "text/json_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/device_json.hpp>
#include <greenlane/detail/runtime/long_kernel.hpp>
#include <greenlane/detail/runtime/report.hpp>
#include <greenlane/detail/torch/versions.hpp>
#include <greenlane/version.hpp>

#include <nlohmann/json.hpp>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const EngineResult& engine) {
  // A quantile of no requests is null, not 0.
  const auto quantile = [&](double q) {
    return engine.latency.count() ? Json(text::to_microseconds(engine.latency.quantile(q))) : Json();
  };
  Json json;
  json["name"] = engine.name;
  json["lane"] = engine.lane;
  json["units"] = engine.units;
  if (!engine.cpus.empty()) json["cpus"] = engine.cpus;
  if (engine.batch_rows) json["batch_rows"] = *engine.batch_rows;
  json["requests"] = engine.requests;
  json["unserved"] = engine.unserved;
  json["skipped"] = engine.skipped;
  json["rate_hz"] = engine.rate_hz;
  json["p50_us"] = quantile(0.5);
  json["p90_us"] = quantile(0.9);
  json["p99_us"] = quantile(0.99);
  json["p999_us"] = quantile(0.999);
  json["max_us"] = engine.latency.count() ? Json(text::to_microseconds(engine.latency.max())) : Json();
  json["mean_us"] = engine.latency.count() ? Json(text::to_microseconds(engine.latency.mean())) : Json();
  json["deadline_us"] = engine.deadline ? Json(text::to_microseconds(*engine.deadline)) : Json();
  json["misses"] = engine.misses;
  if (const auto& graphs = engine.graphs) {
    json["graphs"] = {{"replays", graphs->replays},
                      {"kernel_units", graphs->kernel_units ? Json(*graphs->kernel_units) : Json()},
                      {"bytes", graphs->bytes},
                      {"obstacle", graphs->obstacle.empty() ? Json() : Json(graphs->obstacle)},
                      {"slices", graphs->slices},
                      {"longest_slice_us", text::to_microseconds(graphs->longest_slice)},
                      {"look_ahead", graphs->look_ahead},
                      {"gate_obstacle", graphs->gate_obstacle.empty() ? Json() : Json(graphs->gate_obstacle)},
                      {"long_kernel", Json::parse(long_kernel_json(graphs->long_kernel))}};
  } else {
    json["graphs"] = nullptr;
  }
  if (!engine.edges.empty()) {
    json["not_ready"] = engine.not_ready;
    json["stale"] = engine.stale;
    json["age_p50_us"] = engine.ages.count ? Json(text::to_microseconds(engine.ages.p50)) : Json();
    json["age_p99_us"] = engine.ages.count ? Json(text::to_microseconds(engine.ages.p99)) : Json();
    json["edges"] = Json::array();
    for (const auto& edge : engine.edges) {
      json["edges"].push_back(
          {{"producer", edge.producer}, {"taken", edge.taken}, {"dropped", edge.dropped}, {"rejected", edge.rejected}});
    }
  }
  json["checked"] = engine.checked ? Json(*engine.checked) : Json();
  json["error"] = engine.error.empty() ? Json() : Json(engine.error);
  return json;
}

Json describe(const PathResult& path) {
  const auto quantile = [&](double q) {
    return path.latency.count() ? Json(text::to_microseconds(path.latency.quantile(q))) : Json();
  };
  return {{"name", path.name},
          {"from", path.from},
          {"to", path.to},
          {"items", path.latency.count()},
          {"dropped", path.dropped},
          {"p50_us", quantile(0.5)},
          {"p90_us", quantile(0.9)},
          {"p99_us", quantile(0.99)},
          {"max_us", path.latency.count() ? Json(text::to_microseconds(path.latency.max())) : Json()},
          {"deadline_us", path.deadline ? Json(text::to_microseconds(*path.deadline)) : Json()},
          {"misses", path.misses}};
}

Json describe(const MemoryUse& memory) {
  return {{"host_bytes", memory.host_bytes}, {"allocator_bytes", memory.allocator_bytes}};
}

// Returns the fields with which all results begin.
Json head_of(const LoadedPipeline& pipeline) {
  const auto& device = pipeline.device().info();
  return {{"greenlane", kVersion},
          {"versions", Json::parse(versions_json(device))},
          {"device", Json::parse(local_device_json(device))},
          {"config", pipeline.config().file.string()}};
}

}  // namespace

std::string versions_json(const DeviceInfo& device) {
  const Json json{
      {"greenlane", kVersion}, {"torch", torch_version()}, {"cuda", cuda_version()}, {"driver", device.driver_version}};
  return text::json_text(json);
}

std::string engine_json(const EngineResult& engine) { return text::json_text(describe(engine)); }

std::string audit_results_json(const LoadedPipeline& pipeline, const audit::AuditReport& report) {
  Json json = head_of(pipeline);
  json["audit"] = Json::parse(audit::audit_json(report));
  return text::json_text(json, 2) + "\n";
}

std::string results_json(const LoadedPipeline& pipeline, std::span<const ModeResult> results) {
  Json json = head_of(pipeline);
  json["modes"] = Json::array();
  for (const auto& result : results) {
    Json mode;
    mode["mode"] = to_string(result.mode);
    mode["seconds"] = std::chrono::duration<double>(result.measured).count();
    mode["spin_ms"] = text::to_microseconds(result.spin) / 1e3;
    mode["stopped_early"] = result.stopped_early;
    mode["memory"] = {{"before", describe(result.memory_before)}, {"after", describe(result.memory_after)}};
    if (const auto& gate = result.gate) {
      mode["gate"] = {{"passes", gate->passes},
                      {"beside", gate->beside},
                      {"held", gate->held},
                      {"held_us", text::to_microseconds(gate->held_time)},
                      {"longest_held_us", text::to_microseconds(gate->longest_held)},
                      {"limits_hit", gate->limits_hit}};
    }
    if (const auto advice = long_kernel_advice(result); !advice.empty()) mode["advice"] = advice;
    mode["engines"] = Json::array();
    for (const auto& engine : result.engines) mode["engines"].push_back(describe(engine));
    for (const auto& source : result.sources)
      mode["sources"].push_back({{"name", source.name}, {"published", source.published}});
    for (const auto& path : result.paths) mode["paths"].push_back(describe(path));
    json["modes"].push_back(std::move(mode));
  }
  return text::json_text(json, 2) + "\n";
}

}  // namespace greenlane::runtime

#include "pipeline_stats.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <ratio>

namespace greenlane::bindings {
namespace {

using nlohmann::json;

double microseconds(std::chrono::nanoseconds time) { return std::chrono::duration<double, std::micro>(time).count(); }

json as_json_object(const LatencyFigures& figures) {
  return {{"count", figures.count},
          {"p50_us", microseconds(figures.p50)},
          {"p90_us", microseconds(figures.p90)},
          {"p99_us", microseconds(figures.p99)},
          {"max_us", microseconds(figures.max)}};
}

json as_json_object(const RunFigures& figures) {
  return {{"runs", figures.runs},
          {"calls", figures.calls},
          {"failed", figures.failed},
          {"misses", figures.misses},
          {"skipped", figures.skipped},
          {"dropped", figures.dropped},
          {"rejected", figures.rejected},
          {"cancelled", figures.cancelled},
          {"rate_hz", figures.rate_hz},
          {"recent", as_json_object(figures.recent)},
          {"whole", as_json_object(figures.whole)}};
}

json as_json_object(const GraphFigures& figures) {
  return {{"replays", figures.replays},
          {"kernel_units", figures.kernel_units ? json(*figures.kernel_units) : json()},
          {"bytes", figures.bytes},
          {"slices", figures.slices},
          {"longest_slice_us", microseconds(figures.longest_slice)},
          {"obstacle", figures.obstacle}};
}

json as_json_object(const EngineStats& stats) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  return {{"name", stats.name},
          {"lane", stats.lane},
          {"device", stats.device},
          {"units", stats.units},
          {"deadline_ms", stats.deadline ? json(Milliseconds(*stats.deadline).count()) : json()},
          {"in_python", stats.in_python},
          {"figures", as_json_object(stats.figures)},
          {"queued", stats.queued},
          {"is_busy", stats.is_busy},
          {"error", stats.error},
          {"graphs", stats.graphs ? as_json_object(*stats.graphs) : json()}};
}

json as_json_object(const GateReport& report) {
  return {{"passes", report.passes},
          {"held", report.held},
          {"held_us", microseconds(report.held_time)},
          {"longest_held_us", microseconds(report.longest_held)},
          {"limits_hit", report.limits_hit}};
}

json as_json_object(const DeviceStats& stats) {
  return {{"device", stats.device},
          {"gate", stats.gate ? as_json_object(*stats.gate) : json()},
          {"allocator_bytes", stats.allocator_bytes}};
}

}  // namespace

std::string as_json(const PipelineStats& stats) {
  json engines = json::array();
  for (const auto& engine : stats.engines) engines.push_back(as_json_object(engine));
  json devices = json::array();
  for (const auto& device : stats.devices) devices.push_back(as_json_object(device));
  const json all{{"engines", std::move(engines)},
                 {"devices", std::move(devices)},
                 {"open_for_s", std::chrono::duration<double>(stats.open_for).count()},
                 {"host_bytes", stats.host_bytes},
                 {"is_running", stats.is_running},
                 {"is_broken", stats.is_broken}};
  // Texts from libraries may be no UTF-8.
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace greenlane::bindings

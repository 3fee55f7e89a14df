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
          {"whole", as_json_object(figures.whole)},
          {"not_ready", figures.not_ready},
          {"stale", figures.stale},
          {"ages", as_json_object(figures.ages)},
          {"batches", figures.batches},
          {"batch_rows", figures.batch_rows},
          {"padding_rows", figures.padding_rows}};
}

json as_json_object(const EdgeStats& stats) {
  return {{"producer", stats.producer},
          {"waiting", stats.waiting},
          {"taken", stats.taken},
          {"dropped", stats.dropped},
          {"rejected", stats.rejected}};
}

json deadline_ms(std::optional<std::chrono::nanoseconds> deadline) {
  return deadline ? json(std::chrono::duration<double, std::milli>(*deadline).count()) : json();
}

json as_json_object(const PathStats& stats) {
  return {{"name", stats.name},
          {"source", stats.from},
          {"engine", stats.to},
          {"deadline_ms", deadline_ms(stats.deadline)},
          {"items", stats.figures.items},
          {"misses", stats.figures.misses},
          {"dropped", stats.figures.dropped},
          {"recent", as_json_object(stats.figures.recent)},
          {"whole", as_json_object(stats.figures.whole)}};
}

json as_json_object(const std::optional<LongKernel>& kernel) {
  if (!kernel) return {};
  return {{"name", kernel->name}, {"time_us", microseconds(kernel->time)}, {"kernels", kernel->kernels}};
}

json as_json_object(const GraphFigures& figures) {
  return {{"replays", figures.replays},
          {"kernel_units", figures.kernel_units ? json(*figures.kernel_units) : json()},
          {"bytes", figures.bytes},
          {"slices", figures.slices},
          {"longest_slice_us", microseconds(figures.longest_slice)},
          {"long_kernel", as_json_object(figures.long_kernel)},
          {"obstacle", figures.obstacle}};
}

json as_json_object(const EngineStats& stats) {
  json edges = json::array();
  for (const auto& edge : stats.edges) edges.push_back(as_json_object(edge));
  return {{"name", stats.name},
          {"lane", stats.lane},
          {"device", stats.device},
          {"units", stats.units},
          {"deadline_ms", deadline_ms(stats.deadline)},
          {"in_python", stats.in_python},
          {"figures", as_json_object(stats.figures)},
          {"queued", stats.queued},
          {"is_busy", stats.is_busy},
          {"error", stats.error},
          {"graphs", stats.graphs ? as_json_object(*stats.graphs) : json()},
          {"edges", std::move(edges)}};
}

json as_json_object(const GateReport& report) {
  return {{"passes", report.passes},
          {"beside", report.beside},
          {"held", report.held},
          {"held_us", microseconds(report.held_time)},
          {"longest_held_us", microseconds(report.longest_held)},
          {"limits_hit", report.limits_hit}};
}

json as_json_object(const TenantStats& stats) {
  return {{"name", stats.name},
          {"weight", stats.weight},
          {"waiting", stats.waiting},
          {"refused", stats.refused},
          {"busy_s", std::chrono::duration<double>(stats.busy).count()}};
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
  json paths = json::array();
  for (const auto& path : stats.paths) paths.push_back(as_json_object(path));
  json tenants = json::array();
  for (const auto& tenant : stats.tenants) tenants.push_back(as_json_object(tenant));
  json sources = json::array();
  for (const auto& source : stats.sources) sources.push_back({{"name", source.name}, {"published", source.published}});
  const json all{
      {"engines", std::move(engines)},  {"sources", std::move(sources)},
      {"paths", std::move(paths)},      {"tenants", std::move(tenants)},
      {"devices", std::move(devices)},  {"open_for_s", std::chrono::duration<double>(stats.open_for).count()},
      {"host_bytes", stats.host_bytes}, {"is_running", stats.is_running},
      {"is_broken", stats.is_broken}};
  // Texts from libraries may be no UTF-8.
  return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace greenlane::bindings

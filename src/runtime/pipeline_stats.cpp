#include "runtime/pipeline_stats.hpp"

#include <greenlane/torch/tensor_io.hpp>

#include <algorithm>
#include <cstddef>

namespace greenlane::runtime {

EngineStats about_engine(const EngineConfig& engine, const Lane& lane, const Workload& workload) {
  EngineStats about;
  about.lane = engine.lane;
  about.device = to_string(lane.device().id());
  about.units = lane.units().count;
  about.in_python = workload.is_in_python();
  return about;
}

void add_edges(PipelineStats& stats, const PipelineConfig& config, const PipelineEdges* edges, Clock::time_point now) {
  if (!edges) return;
  for (std::size_t i = 0; i < stats.engines.size(); ++i) {
    const auto& intake = edges->intake(i);
    if (!intake) continue;
    const auto counts = intake->counts();
    for (std::size_t edge = 0; edge < counts.size(); ++edge) {
      stats.engines[i].edges.push_back({.producer = config.engines[i].edges[edge].producer,
                                        .waiting = counts[edge].waiting,
                                        .taken = counts[edge].taken,
                                        .dropped = counts[edge].dropped,
                                        .rejected = counts[edge].rejected});
    }
  }
  for (const auto& source : edges->sources())
    stats.sources.push_back({.name = source->name(), .published = source->published()});
  for (std::size_t i = 0; i < config.paths.size(); ++i) {
    const auto& path = config.paths[i];
    stats.paths.push_back({.name = path.name,
                           .from = path.from,
                           .to = path.to,
                           .deadline = path.deadline,
                           .figures = edges->paths()[i]->now(now)});
  }
}

void add_tenants(PipelineStats& stats, const PipelineConfig& config,
                 std::span<const std::shared_ptr<ServedEngine>> engines) {
  for (const auto& tenant : config.tenants) {
    // Each tenant has an engine.
    const auto known = std::ranges::find(config.engines, tenant.name, &EngineConfig::tenant);
    const auto& seen = *engines[static_cast<std::size_t>(known - config.engines.begin())]->tenant();
    stats.tenants.push_back({.name = tenant.name,
                             .weight = tenant.weight,
                             .waiting = seen.waiting(),
                             .refused = seen.refused(),
                             .busy = seen.busy()});
  }
}

void add_devices(PipelineStats& stats, const LoadedPipeline& pipeline, const PlacedPipeline& placed) {
  for (std::size_t i = 0; i < stats.engines.size(); ++i) {
    if (const auto graphs = pipeline.engines()[i]->workload().graphs_now()) stats.engines[i].graphs = *graphs;
  }
  for (const auto& [device, gate] : placed.gates()) {
    DeviceStats about{
        .device = to_string(device.id()), .gate = {}, .allocator_bytes = greenlane::allocator_bytes(device.id())};
    if (placed.has_gates()) about.gate = gate->report();
    stats.devices.push_back(std::move(about));
  }
}

}  // namespace greenlane::runtime

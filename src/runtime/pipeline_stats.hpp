// The figures of a pipeline that is placed on its lanes.
#pragma once

#include "runtime/pipeline_edges.hpp"
#include "runtime/placed_pipeline.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/loaded_pipeline.hpp>
#include <greenlane/detail/runtime/workload.hpp>
#include <greenlane/runtime/stats.hpp>

#include <memory>
#include <span>

namespace greenlane::runtime {

// Returns what does not change about an engine on its lane.
[[nodiscard]] EngineStats about_engine(const EngineConfig& engine, const Lane& lane, const Workload& workload);

// Adds the edges of the engines, the sources and the paths. `edges`: null if there are none.
void add_edges(PipelineStats& stats, const PipelineConfig& config, const PipelineEdges* edges, Clock::time_point now);

// Adds the tenants. `engines`: those of the configuration.
void add_tenants(PipelineStats& stats, const PipelineConfig& config,
                 std::span<const std::shared_ptr<ServedEngine>> engines);

// Adds the graphs of the engines, and the devices.
void add_devices(PipelineStats& stats, const LoadedPipeline& pipeline, const PlacedPipeline& placed);

}  // namespace greenlane::runtime

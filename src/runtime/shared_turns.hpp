// Best-effort engines of several tenants on the same units.
#pragma once

#include "runtime/placed_pipeline.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>

namespace greenlane::runtime {

// Lets best-effort engines whose lanes share units take turns by the weights of their tenants. Engines without a tenant
// take none. Call it before requests come.
void share_turns(const LoadedPipeline& pipeline, const PlacedPipeline& placed);

}  // namespace greenlane::runtime

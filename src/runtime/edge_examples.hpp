// What the edges of a pipeline carry: an example of each tensor, and the check that all fit.
#pragma once

#include "runtime/tensor_workload.hpp"

#include <greenlane/detail/runtime/loaded_pipeline.hpp>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace greenlane::runtime {

// Returns the tensors of an item of this source, as its first consumers recorded them, on their devices; undefined for
// those that nobody takes.
[[nodiscard]] std::vector<at::Tensor> item_of(const LoadedPipeline& pipeline, std::size_t source);

// Returns the outputs that a feedback edge begins with: zeros, or those in its file.
// Throws: ConfigError.
[[nodiscard]] std::vector<at::Tensor> initial_of(const LoadedPipeline& pipeline, std::size_t engine, std::size_t edge);

// Checks the inputs of all engines with edges. Requires that each engine has run on its recorded inputs.
// Throws: ConfigError, which names the engine and the edge.
void require_edges_fit(const LoadedPipeline& pipeline);

// Checks an item of a source that has other sizes or dtypes than the recorded one.
// Throws: EngineError, which names the engine that it does not fit; RequestError if the pipeline is closed.
void require_item_fits(const PipelineConfig& config, const std::vector<std::shared_ptr<ServedEngine>>& engines,
                       std::size_t source, const std::vector<at::Tensor>& item);

}  // namespace greenlane::runtime

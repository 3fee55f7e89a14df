// torch.classes.greenlane.PipelineGraph, and what a captured function may use: branches, and notes of its writes.
#pragma once

#include <greenlane/torch/pipeline_graph.hpp>

#include <torch/custom_class.h>

#include <memory>
#include <utility>

namespace greenlane::bindings {

struct PipelineGraphObject final : torch::CustomClassHolder {
  explicit PipelineGraphObject(std::shared_ptr<PipelineGraph> object) : graph(std::move(object)) {}
  std::shared_ptr<PipelineGraph> graph;
};
using PipelineGraphPtr = c10::intrusive_ptr<PipelineGraphObject>;

void register_pipeline_graph(torch::Library& library);

}  // namespace greenlane::bindings

// torch.classes.greenlane.Pipeline, and PipelineEngine, one of its engines.
#pragma once

#include <greenlane/runtime/pipeline.hpp>

#include <torch/custom_class.h>

#include <utility>

namespace greenlane::bindings {

struct PipelineEngineObject final : torch::CustomClassHolder {
  explicit PipelineEngineObject(PipelineEngine of_pipeline) : engine(std::move(of_pipeline)) {}
  PipelineEngine engine;
};
using PipelineEnginePtr = c10::intrusive_ptr<PipelineEngineObject>;

struct PipelineObject final : torch::CustomClassHolder {
  explicit PipelineObject(Pipeline opened) : pipeline(std::move(opened)) {}
  Pipeline pipeline;
};
using PipelinePtr = c10::intrusive_ptr<PipelineObject>;

void register_pipeline(torch::Library& library);

}  // namespace greenlane::bindings

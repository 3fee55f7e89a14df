// torch.classes.greenlane.Pipeline, and PipelineEngine, one of its engines.
#pragma once

#include <greenlane/detail/core/process.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <torch/custom_class.h>

#include <utility>

namespace greenlane::bindings {

struct PipelineEngineObject final : torch::CustomClassHolder {
  explicit PipelineEngineObject(PipelineEngine of_pipeline) : engine(std::move(of_pipeline)) {}
  PipelineEngine engine;
};
using PipelineEnginePtr = c10::intrusive_ptr<PipelineEngineObject>;

class PipelineObject final : public torch::CustomClassHolder {
 public:
  explicit PipelineObject(Pipeline opened) : pipeline_(std::move(opened)) {}

  [[nodiscard]] Pipeline& operator*() noexcept { return pipeline_; }
  [[nodiscard]] Pipeline* operator->() noexcept { return &pipeline_; }
  // Does nothing in a forked child.
  void close();

 private:
  detail::Origin origin_;
  Pipeline pipeline_;
};
using PipelinePtr = c10::intrusive_ptr<PipelineObject>;

void register_pipeline(torch::Library& library);

}  // namespace greenlane::bindings

// torch.classes.greenlane.PipelineSource, PublishedItem and PipelineSink: the ends of a pipeline's edges.
#pragma once

#include <greenlane/runtime/edges.hpp>

#include <torch/custom_class.h>

#include <utility>

namespace greenlane::bindings {

struct PublishedItemObject final : torch::CustomClassHolder {
  explicit PublishedItemObject(PublishedItem published) : item(std::move(published)) {}
  PublishedItem item;
};
using PublishedItemPtr = c10::intrusive_ptr<PublishedItemObject>;

struct PipelineSourceObject final : torch::CustomClassHolder {
  explicit PipelineSourceObject(PipelineSource of_pipeline) : source(std::move(of_pipeline)) {}
  PipelineSource source;
};
using PipelineSourcePtr = c10::intrusive_ptr<PipelineSourceObject>;

struct PipelineSinkObject final : torch::CustomClassHolder {
  explicit PipelineSinkObject(PipelineSink of_pipeline) : sink(std::move(of_pipeline)) {}
  PipelineSink sink;
};
using PipelineSinkPtr = c10::intrusive_ptr<PipelineSinkObject>;

void register_pipeline_edges(torch::Library& library);

}  // namespace greenlane::bindings

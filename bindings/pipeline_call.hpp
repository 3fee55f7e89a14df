// torch.classes.greenlane.PipelineCall: a call of an engine on a CPU that Python's main thread waits for.
#pragma once

#include "waitable.hpp"

#include <greenlane/runtime/pipeline.hpp>

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <chrono>
#include <future>
#include <memory>
#include <vector>

namespace greenlane::bindings {

// The call is made on a thread of its own, with the caller's settings, because Python's main thread must handle Ctrl-C
// while it waits. If the object is destroyed before the call is done, the call goes on.
class PipelineCallObject final : public Waitable {
 public:
  PipelineCallObject(PipelineEngine engine, std::vector<at::Tensor> inputs);

  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const override {
    return outputs_.wait_for(time) == std::future_status::ready;
  }
  // Waits for the outputs, and returns them. Call it once.
  // Throws: as PipelineEngine::call().
  [[nodiscard]] std::vector<at::Tensor> outputs() { return outputs_.get(); }

 private:
  std::future<std::vector<at::Tensor>> outputs_;
};
using PipelineCallPtr = c10::intrusive_ptr<PipelineCallObject>;

void register_pipeline_call(torch::Library& library);

}  // namespace greenlane::bindings

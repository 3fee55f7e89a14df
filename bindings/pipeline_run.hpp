// torch.classes.greenlane.PipelineRun: a submitted run of an engine.
#pragma once

#include "waitable.hpp"

#include <greenlane/detail/core/process.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// Thread safety: all members may be called from any thread.
class PipelineRunObject final : public Waitable {
 public:
  explicit PipelineRunObject(PipelineRun submitted) : run(std::move(submitted)) {}
  PipelineRun run;

  // Waits for the outputs, and returns them, at each call.
  // Stream order: as PipelineRun::outputs().
  // Throws: as PipelineRun::outputs().
  [[nodiscard]] std::vector<at::Tensor> outputs();
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const override { return run.wait_for(time); }

 private:
  detail::ForkSafeMutex mutex_{};
  std::optional<std::vector<at::Tensor>> outputs_;  // under the mutex
};
using PipelineRunPtr = c10::intrusive_ptr<PipelineRunObject>;

void register_pipeline_run(torch::Library& library);

}  // namespace greenlane::bindings

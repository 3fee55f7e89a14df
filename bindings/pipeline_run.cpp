#include "pipeline_run.hpp"

#include "completions.hpp"
#include "python_end.hpp"
#include "refusal.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <exception>
#include <string>
#include <tuple>

namespace greenlane::bindings {

std::vector<at::Tensor> PipelineRunObject::outputs() {
  const std::scoped_lock lock(mutex_);
  if (!outputs_) {
    outputs_ = run.outputs();
    return *outputs_;
  }
  // Each caller may use them on another stream.
  for (const auto& output : *outputs_) {
    if (output.is_cuda())
      greenlane::detail::record_on({&output, 1}, c10::cuda::getCurrentCUDAStream(output.get_device()));
  }
  return *outputs_;
}

namespace {

int64_t address_of_run(const PipelineRunPtr& self) {
  const WayBack way_back;
  return address_of(*self);
}

// Returns the outputs. Without outputs: the reason of a RequestError, or "failed", and the message. Waits for the end.
std::tuple<std::vector<at::Tensor>, std::string, std::string> finish_run(const PipelineRunPtr& self) {
  const WayBack way_back;
  std::vector<at::Tensor> outputs;
  try {
    auto [reason, message] = refusal_in([&] { outputs = self->outputs(); });
    return {std::move(outputs), std::move(reason), std::move(message)};
  } catch (const std::exception& error) {
    return {std::vector<at::Tensor>(), "failed", error.what()};
  }
}

// Adds `number` to `completions` when the run ends, at once if it has ended.
void notify(const PipelineRunPtr& self, const CompletionsPtr& completions, int64_t number) {
  const WayBack way_back;
  self->run.when_done([completions, number] { completions->add(number); });
}

}  // namespace

void register_pipeline_run(torch::Library& library) {
  library.class_<PipelineRunObject>("PipelineRun")
      .def("address", address_of_run)
      .def("is_done",
           [](const PipelineRunPtr& self) {
             const WayBack way_back;
             return self->run.is_done();
           })
      .def("require_end_here",
           [](const PipelineRunPtr& self) { (void)self->run.wait_for(std::chrono::nanoseconds(0)); })
      .def("finish", finish_run)
      .def("cancel",
           [](const PipelineRunPtr& self) {
             const WayBack way_back;
             return self->run.cancel();
           })
      .def("notify", notify);
}

}  // namespace greenlane::bindings

#include "runtime/tensor_workload.hpp"

#include <greenlane/core/error.hpp>

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace greenlane::runtime {

TensorWork::TensorWork(const std::vector<at::Tensor>& given) {
  inputs.reserve(given.size());
  const at::Tensor* on_gpu = nullptr;
  for (const auto& input : given) {
    const c10::cuda::OptionalCUDAGuard guard(input.is_cuda() ? std::optional(input.device()) : std::nullopt);
    inputs.push_back(input.detach().clone());
    if (input.is_cuda()) on_gpu = &input;
  }
  if (!on_gpu) return;
  copied_.emplace(c10::DeviceType::CUDA);
  copied_->record(c10::cuda::getCurrentCUDAStream(on_gpu->get_device()));
}

void TensorWork::wait_for_inputs(const at::Device& device) const {
  if (copied_) copied_->block(c10::cuda::getCurrentCUDAStream(device.index()));
}

void require_finite(const std::vector<at::Tensor>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || !outputs[i].is_floating_point()) continue;
    if (outputs[i].isfinite().all().item<bool>()) continue;
    throw EngineError({.what = "output " + std::to_string(i) + " holds NaN or infinity",
                       .why = "`check_outputs` is on",
                       .remedy = "look at the inputs of this run"});
  }
}

}  // namespace greenlane::runtime

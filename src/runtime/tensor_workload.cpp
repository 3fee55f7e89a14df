#include "runtime/tensor_workload.hpp"

#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace greenlane::runtime {
namespace {

// Returns the strides of a copy of the input in the recorded one's order of dimensions; absent: it has these, or it is
// a tensor that the engine refuses.
std::optional<std::vector<std::int64_t>> strides_like(const at::Tensor& recorded, const at::Tensor& input) {
  if (!input.defined() || input.layout() != at::kStrided || input.is_nested()) return std::nullopt;
  if (input.dim() != recorded.dim()) return std::nullopt;
  if (input.unsafeGetTensorImpl()->is_python_dispatch() || !input.has_storage()) return std::nullopt;
  auto strides = input.sizes() == recorded.sizes() && at::has_internal_overlap(recorded) != at::MemOverlap::Yes
                     ? recorded.strides().vec()
                     : at::infer_dense_strides(input.sizes(), recorded.strides());
  for (std::int64_t d = 0; d < input.dim(); ++d) {
    if (input.size(d) > 1 && input.stride(d) != strides[static_cast<std::size_t>(d)]) return strides;
  }
  return std::nullopt;
}

}  // namespace

void TensorWork::bring_inputs(const at::Device& device) const {
  if (slot_->copied) slot_->copied->block(c10::cuda::getCurrentCUDAStream(device.index()));
  for (std::size_t i = 0; i < slot_->on_host.size(); ++i)
    slot_->inputs[i].copy_(slot_->on_host[i], /*non_blocking=*/true);
}

void TensorWork::give_back() {
  if (!slot_) return;
  // An output may be an input, and the caller keeps it.
  const bool is_kept = std::ranges::any_of(slot_->inputs, [&](const at::Tensor& input) {
    return std::ranges::any_of(outputs, [&](const at::Tensor& output) { return detail::share_memory(input, output); });
  });
  if (is_kept) {
    slot_.reset();
  } else {
    slots_->give_back(std::move(slot_));
  }
}

bool TensorWorkload::fits(const std::vector<at::Tensor>& inputs) const {
  try {
    require_fit(inputs);
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

std::vector<TensorSpec> specs_of(const std::vector<at::Tensor>& tensors) {
  std::vector<TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    TensorSpec spec;
    spec.dtype = tensor.scalar_type();
    spec.is_scalar = tensor.dim() == 0;
    for (const auto size : tensor.sizes()) {
      auto& dimension = spec.dimensions.emplace_back();
      dimension.smallest = dimension.largest = size;
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

std::vector<at::Tensor> laid_out_like(const std::vector<at::Tensor>& recorded, const std::vector<at::Tensor>& inputs) {
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_gradients;
  auto all = inputs;
  for (std::size_t i = 0; i < std::min(all.size(), recorded.size()); ++i) {
    const auto& input = inputs[i];
    const auto strides = strides_like(recorded[i], input);
    if (!strides) continue;
    all[i] = at::empty_strided(input.sizes(), *strides, input.options());
    all[i].copy_(input, /*non_blocking=*/true);
  }
  return all;
}

std::vector<at::Tensor> copies_on_host(const std::vector<at::Tensor>& tensors) {
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_gradients;
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  std::vector<at::Tensor> copies;
  copies.reserve(tensors.size());
  for (const auto& tensor : tensors) {
    if (!tensor.defined() || !tensor.is_cuda() || tensor.layout() != at::kStrided) {
      copies.push_back(tensor);
      continue;
    }
    const auto values = tensor.resolve_conj().resolve_neg();  // else the host would change them before they are there
    const auto options = values.options().device(c10::kCPU).pinned_memory(true);
    copies.push_back(at::empty_like(values, options, at::MemoryFormat::Contiguous));
    copies.back().copy_(values, /*non_blocking=*/true);
  }
  return copies;
}

std::vector<TensorSpec> TensorWorkload::input_specs() const { return specs_of(recorded_inputs()); }
std::vector<TensorSpec> TensorWorkload::output_specs() const { return specs_of(recorded_outputs()); }

void require_finite(const std::vector<at::Tensor>& outputs, const std::string& engine) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || !outputs[i].is_floating_point()) continue;
    if (outputs[i].isfinite().all().item<bool>()) continue;
    throw EngineError({.what = "output " + std::to_string(i) + " of engine '" + engine + "' holds NaN or infinity",
                       .why = "`check_outputs` is on",
                       .remedy = "look at the inputs of this run"});
  }
}

}  // namespace greenlane::runtime

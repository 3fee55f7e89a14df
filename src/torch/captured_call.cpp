#include "torch/captured_call.hpp"

#include "torch/kernel_scope.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>

#include <mutex>
#include <utility>

namespace greenlane::detail {
namespace {

// Memory of graphs is written outside of inference mode, too, and has no gradients.
struct PlainTensors {
  c10::InferenceMode no_inference_mode{false};
  at::NoGradGuard no_grad;
};

// Handles and workspaces of libraries belong to a thread and a stream and are made at the first use: not in the
// capture, where the workspace would come from the graphs' pool and never go back.
void load_libraries(c10::DeviceIndex device) {
  const auto options = at::TensorOptions(at::Device(at::kCUDA, device)).dtype(at::kHalf);
  const auto matrix = at::zeros({8, 8}, options);
  (void)at::mm(matrix, matrix);
  (void)at::addmm(at::zeros({8}, options), matrix, matrix);
}

std::mutex& capture_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

std::vector<at::Tensor> make_static(const std::vector<at::Tensor>& inputs, c10::DeviceIndex device) {
  const PlainTensors plain;
  std::vector<at::Tensor> fixed;
  fixed.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& input = inputs[i];
    const auto refuse = [&](const char* why) {
      throw EngineError({.what = "input " + std::to_string(i), .why = why, .remedy = ""});
    };
    if (!input.defined() || !input.is_cuda() || input.get_device() != device)
      refuse("it is not on the engine's device, and a graph would keep what it holds now");
    if (input.layout() != at::kStrided || !input.is_non_overlapping_and_dense())
      refuse("its memory has gaps or overlaps");
    fixed.push_back(at::empty_strided(input.sizes(), input.strides(), input.options().requires_grad(false)));
  }
  copy_into(fixed, inputs);
  return fixed;
}

void copy_into(const std::vector<at::Tensor>& fixed, const std::vector<at::Tensor>& inputs) {
  const PlainTensors plain;
  for (std::size_t i = 0; i < fixed.size(); ++i) fixed[i].copy_(inputs[i], /*non_blocking=*/true);
}

CapturedCall::CapturedCall(const Lane& lane, std::shared_ptr<GraphPool> pool, std::vector<at::Tensor> inputs,
                           const Model& model, KernelTarget target)
    : pool_(std::move(pool)), inputs_(std::move(inputs)), graph_(capture(lane, model, target)) {}

Graph CapturedCall::capture(const Lane& lane, const Model& model, KernelTarget target) {
  const auto index = static_cast<c10::DeviceIndex>(lane.device().id().index);
  const std::scoped_lock lock(capture_mutex());
  const at::NoGradGuard no_grad;
  const auto stream = c10::cuda::getStreamFromExternal(lane.stream().handle(), index);
  const c10::cuda::CUDAStreamGuard guard(stream);
  load_libraries(index);
  const KernelScope kernels(lane.device().info().units.count, target);
  return pool_->capturing(stream, [&](const std::function<void()>& begun) {
    return Graph::capture(lane, [&] {
      begun();
      outputs_ = model(inputs_);
    });
  });
}

std::vector<at::Tensor> copies_of(const std::vector<at::Tensor>& tensors) {
  const PlainTensors plain;
  std::vector<at::Tensor> copies;
  copies.reserve(tensors.size());
  for (const auto& tensor : tensors) copies.push_back(tensor.defined() ? tensor.clone() : tensor);
  return copies;
}

}  // namespace greenlane::detail

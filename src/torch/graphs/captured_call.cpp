#include "torch/graphs/captured_call.hpp"

#include "core/graphs/capture_scope.hpp"
#include "torch/graphs/kernel_scope.hpp"
#include "torch/tensor_lifetimes.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/torch/versions.hpp>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>

namespace greenlane::detail {
namespace {

// A scope with the inference mode that the tensor was made in, because compiled modules look at that; and without
// gradients.
struct AsMade {
  explicit AsMade(const at::Tensor& tensor) : mode(tensor.is_inference()) {}
  c10::InferenceMode mode;
  at::NoGradGuard no_grad;
};

// A scope without autocast's cache. The cache keeps converted weights as long as autocast's region lasts; in a graph,
// each replay must convert them.
class NoAutocastCache {
 public:
  NoAutocastCache() : former_(at::autocast::is_autocast_cache_enabled()) {
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~NoAutocastCache() { at::autocast::set_autocast_cache_enabled(former_); }
  NoAutocastCache(const NoAutocastCache&) = delete;
  NoAutocastCache& operator=(const NoAutocastCache&) = delete;

 private:
  bool former_;
};

std::atomic<bool> capturing{false};

}  // namespace

std::optional<CaptureTurn> CaptureTurn::try_take() {
  if (capturing.exchange(true, std::memory_order_acquire)) return std::nullopt;
  return CaptureTurn();
}

CaptureTurn CaptureTurn::take() {
  while (capturing.exchange(true, std::memory_order_acquire)) capturing.wait(true, std::memory_order_relaxed);
  return {};
}

CaptureTurn::~CaptureTurn() {
  if (!held_) return;
  capturing.store(false, std::memory_order_release);
  capturing.notify_one();
}

void load_libraries(const Lane& lane) {
  const auto index = static_cast<c10::DeviceIndex>(lane.device().id().index);
  const at::NoGradGuard no_grad;
  const CurrentContext context;  // the guard makes a primary context current
  const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromExternal(lane.stream().handle(), index));
  const auto options = at::TensorOptions(at::Device(at::kCUDA, index)).dtype(at::kHalf);
  const auto matrix = at::zeros({8, 8}, options);
  (void)at::mm(matrix, matrix);
  (void)at::addmm(at::zeros({8}, options), matrix, matrix);
}

std::vector<at::Tensor> rehearse(const Model& model, const std::vector<at::Tensor>& inputs) {
  const CaptureScope scope(CaptureScope::Purpose::rehearsal);
  auto outputs = model(inputs);
  for (const auto& entered : scope.bindings()) {
    if (entered.generation.use_count() == 1) continue;  // the engine existed for this call only
    if (const auto lane = entered.binding->prepare_capture()) {
      lane->keep_stream();
      load_libraries(*lane);
    }
  }
  return outputs;
}

std::vector<at::Tensor> make_static(const std::vector<at::Tensor>& inputs, c10::DeviceIndex device) {
  std::vector<at::Tensor> fixed;
  fixed.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& input = inputs[i];
    const auto refuse = [&](const char* why, const char* remedy) {
      throw EngineError({.what = "input " + std::to_string(i), .why = why, .remedy = remedy});
    };
    if (!input.defined() || !input.is_cuda() || input.get_device() != device)
      refuse("it is not on the engine's device, and a graph would replay its current value",
             "move it to the device of the engine");
    if (input.layout() != at::kStrided || !input.is_non_overlapping_and_dense())
      refuse("its memory has gaps or overlaps", "pass a contiguous copy");
    const AsMade as_made(input);
    fixed.push_back(at::empty_strided(input.sizes(), input.strides(), input.options().requires_grad(false)));
  }
  copy_into(fixed, inputs);
  return fixed;
}

void copy_into(const std::vector<at::Tensor>& fixed, const std::vector<at::Tensor>& inputs) {
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    const AsMade as_made(fixed[i]);
    fixed[i].copy_(inputs[i], /*non_blocking=*/true);
  }
}

CallEffects effects_of(const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& noted) {
  CallEffects effects;
  for (const auto& tensor : noted) {
    bool is_input = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!share_memory(inputs[i], tensor)) continue;
      is_input = true;
      effects.written.push_back(i);
    }
    if (!is_input) effects.state.push_back(tensor);
  }
  return effects;
}

std::string aliasing_obstacle(const std::vector<at::Tensor>& inputs, const CallEffects& effects) {
  for (const auto written : effects.written) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (i != written && share_memory(inputs[i], inputs[written]))
        return "it writes to input " + std::to_string(written) + ", which has memory in common with input " +
               std::to_string(i);
    }
  }
  for (const auto& state : effects.state) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (share_memory(inputs[i], state))
        return "input " + std::to_string(i) + " has memory in common with what the model writes to";
    }
  }
  return {};
}

CapturedCall::CapturedCall(const CaptureTurn& /*turn*/, const Lane& lane, std::shared_ptr<GraphPool> pool,
                           std::vector<at::Tensor> inputs, const Model& model, KernelTarget target)
    : pool_(std::move(pool)), inputs_(std::move(inputs)), graph_(capture(lane, model, target)) {}

Graph CapturedCall::capture(const Lane& lane, const Model& model, KernelTarget target) {
  const auto index = static_cast<c10::DeviceIndex>(lane.device().id().index);
  if (GraphRandom::is_always_possible()) random_.emplace(index);
  try {
    try {
      return capture_once(lane, model, target);
    } catch (const std::exception& error) {
      if (random_ || !is_of_unknown_generator(error)) throw;
      if (!GraphRandom::is_possible_now()) {
        throw std::runtime_error("it draws random numbers, which PyTorch " + std::string(torch_version()) +
                                 " captures only while a pipeline opens: use PyTorch 2.13 or newer, or serve it from a "
                                 "pipeline");
      }
    }
    random_.emplace(index);
    return capture_once(lane, model, target);
  } catch (const std::exception& error) {
    if (!is_of_unknown_generator(error)) throw;
    throw std::runtime_error(
        "it draws random numbers from a generator of its own, which no graph could move on: draw them from PyTorch's "
        "default generator");
  }
}

Graph CapturedCall::capture_once(const Lane& lane, const Model& model, KernelTarget target) {
  outputs_.clear();
  inputs_of_outputs_.clear();
  const auto index = static_cast<c10::DeviceIndex>(lane.device().id().index);
  const auto stream = c10::cuda::getStreamFromExternal(lane.stream().handle(), index);
  load_libraries(lane);
  const CurrentContext context;  // the guard makes a primary context current
  const c10::cuda::CUDAStreamGuard guard(stream);
  const NoAutocastCache no_cache;
  const KernelScope kernels(lane.device().info().units.count, target);
  auto graph = pool_->capturing(stream, [&](const std::function<c10::CaptureId_t()>& begun) {
    return Graph::capture(lane, [&] {
      const auto id = begun();
      const auto work = [&] { outputs_ = model(inputs_); };
      if (random_) {
        random_->capture(id, work);
      } else {
        work();
      }
      for (const auto& output : outputs_) {
        const auto input = std::ranges::find_if(inputs_, [&](const auto& each) { return share_memory(each, output); });
        inputs_of_outputs_.push_back(
            input == inputs_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(input - inputs_.begin())));
      }
    });
  });
  if (random_ && !random_->is_used()) random_.reset();
  return graph;
}

void CapturedCall::record_on(c10::cuda::CUDAStream stream) const {
  detail::record_on(inputs_, stream);
  if (random_) detail::record_on(std::span(&random_->words(), 1), stream);
}

void CapturedCall::write_back(const std::vector<at::Tensor>& inputs, const std::vector<std::size_t>& written) const {
  for (const auto i : written) {
    const AsMade as_made(inputs[i]);
    inputs[i].copy_(inputs_[i], /*non_blocking=*/true);
  }
}

std::vector<at::Tensor> CapturedCall::results(const std::vector<at::Tensor>& inputs, bool copies) const {
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> results;
  results.reserve(outputs_.size());
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto& output = outputs_[i];
    if (const auto index = inputs_of_outputs_[i]) {
      const auto& fixed = inputs_[*index];
      const auto& input = inputs[*index];
      const bool is_whole = output.storage_offset() == fixed.storage_offset() && output.sizes() == fixed.sizes() &&
                            output.strides() == fixed.strides();
      if (output.dtype() != fixed.dtype()) {
        results.push_back(output.clone());
      } else {
        results.push_back(is_whole ? input
                                   : input.as_strided(output.sizes(), output.strides(),
                                                      input.storage_offset() + output.storage_offset()));
      }
    } else {
      results.push_back(copies && output.defined() ? output.clone() : output);
    }
  }
  return results;
}

}  // namespace greenlane::detail

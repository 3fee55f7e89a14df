#include "runtime/input_slots.hpp"

#include "runtime/copy_lane.hpp"
#include "runtime/tensor_copy.hpp"
#include "torch/tensor_lifetimes.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/current_context.hpp>

#include <ATen/ExpandUtils.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace greenlane::runtime {
namespace {

// Returns the strides of a tensor's copy, which has no gaps.
std::vector<std::int64_t> dense_strides(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? tensor.strides().vec()
                                               : at::infer_dense_strides(tensor.sizes(), tensor.strides());
}

bool have_one_layout(const std::vector<at::Tensor>& slot, const std::vector<at::Tensor>& inputs) {
  return std::ranges::equal(slot, inputs, [](const at::Tensor& one, const at::Tensor& other) {
    return one.scalar_type() == other.scalar_type() && one.device() == other.device() && one.sizes() == other.sizes() &&
           one.strides() == at::IntArrayRef(dense_strides(other));
  });
}

// Returns whether a stream is being captured; absent: the capture of another one forbids the question.
std::optional<bool> is_captured(c10::cuda::CUDAStream stream) {
  auto capture = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &capture) == cudaSuccess) return capture != cudaStreamCaptureStatusNone;
  (void)cudaGetLastError();
  return std::nullopt;
}

// Returns whether a stream has no work left, also not in streams that it waits for without being told, as the default
// stream does. Records the event there, behind all of this, and looks at it for a moment.
bool has_no_work(c10::cuda::CUDAStream stream, c10::Event& event) {
  constexpr auto kMoment = std::chrono::microseconds(20);
  event.record(stream);
  const auto end = std::chrono::steady_clock::now() + kMoment;
  while (!event.query()) {
    if (std::chrono::steady_clock::now() >= end) return false;
  }
  return true;
}

// Copies inputs into a slot, on the current stream.
void fill(InputSlot& slot, bool is_new, const std::vector<at::Tensor>& inputs,
          std::optional<c10::cuda::CUDAStream> stream) {
  if (is_new) {
    for (const auto& input : inputs) slot.inputs.push_back(input.detach().clone());
    return;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (stream && inputs[i].is_cuda()) {
      copy_to_gpu(slot.inputs[i], inputs[i], *stream);
    } else {
      copy_on_host(slot.inputs[i], inputs[i]);
    }
  }
}

// Returns whether the copy to a slot is still under way.
bool is_being_written(const InputSlot& slot) {
  if (!slot.copied || !slot.stream) return false;
  const CurrentContext context;
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  return !slot.copied->query();
}

}  // namespace

void InputSlots::copy_ahead(const Device& device) {
  const std::scoped_lock lock(mutex_);
  gpu_ = device;
  ahead_.reset();
}

std::unique_ptr<InputSlot> InputSlots::take(const std::vector<at::Tensor>& inputs, bool is_on_host) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(free_, [&](const auto& each) {
    if (each->on_host.empty() == is_on_host) return false;
    return have_one_layout(is_on_host ? each->on_host : each->inputs, inputs);
  });
  if (found == free_.end()) return nullptr;
  auto slot = std::move(*found);
  free_.erase(found);
  return slot;
}

Device InputSlots::gpu() {
  const std::scoped_lock lock(mutex_);
  return gpu_.value();
}

c10::cuda::CUDAStream InputSlots::ahead() {
  {
    const std::scoped_lock lock(mutex_);
    if (ahead_) return *ahead_;
  }
  // Without the lock, because a new lane may give a warning, which Python may print.
  const auto device = gpu();
  const auto stream = c10::cuda::getStreamFromExternal(copy_lane(device).stream().handle(),
                                                       static_cast<c10::DeviceIndex>(device.id().index));
  const std::scoped_lock lock(mutex_);
  ahead_ = stream;
  return stream;
}

std::unique_ptr<InputSlot> InputSlots::copy(const std::vector<at::Tensor>& inputs) {
  const c10::InferenceMode no_inference_mode(false);  // other threads use the memory again
  const at::NoGradGuard no_gradients;
  const auto on_gpu = std::ranges::find_if(inputs, [](const at::Tensor& input) { return input.is_cuda(); });
  if (on_gpu == inputs.end()) {
    auto slot = take(inputs, /*is_on_host=*/false);
    const bool is_new = !slot;
    if (is_new) slot = std::make_unique<InputSlot>();
    fill(*slot, is_new, inputs, std::nullopt);
    return slot;
  }
  const CurrentContext context(gpu());
  const c10::cuda::CUDAGuard guard(on_gpu->device());
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  const auto caller = c10::cuda::getCurrentCUDAStream(on_gpu->get_device());
  const auto capture = is_captured(caller);
  if (capture.value_or(false)) {
    throw EngineError({.what = "a request cannot be made in a capture",
                       .why = "an engine's thread runs it, so it is no part of the graph",
                       .remedy = "make the request before or after the capture"});
  }
  auto slot = take(inputs, /*is_on_host=*/false);
  const bool is_new = !slot;
  if (is_new) {
    slot = std::make_unique<InputSlot>();
    slot->copied.emplace(c10::DeviceType::CUDA);
    slot->asked.emplace(c10::DeviceType::CUDA);
  }
  const auto copies = ahead();
  // All engines share the stream for copies, so it must not wait for work of a caller.
  const bool is_ahead =
      capture.has_value() && caller.priority() > copies.priority() && has_no_work(caller, slot->asked.value());
  const auto stream = is_ahead ? copies : caller;
  slot->stream = stream;
  const c10::cuda::CUDAStreamGuard on_stream(stream);
  try {
    fill(*slot, is_new, inputs, stream);
  } catch (...) {
    detail::record_on(slot->inputs, stream);  // copies of the first inputs may be under way
    throw;
  }
  auto& copied = slot->copied.value();
  copied.record(stream);
  if (is_ahead) copied.block(caller);  // the caller may write to the inputs, or free them
  return slot;
}

std::unique_ptr<InputSlot> InputSlots::copy_from_host(const std::vector<at::Tensor>& inputs) {
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_gradients;
  const CurrentContext context(gpu());
  // New memory is allocated, which must not end a capture of another thread.
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  auto slot = take(inputs, /*is_on_host=*/true);
  if (!slot) {
    slot = std::make_unique<InputSlot>();
    // Earlier work on this stream may still use the memory. A run waits for that, and no graph is captured here.
    const auto stream = ahead();
    slot->stream = stream;
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    for (const auto& input : inputs) {
      slot->inputs.push_back(at::empty_like(input, input.options().device(stream.device())));
      slot->on_host.push_back(at::empty_like(input, input.options().pinned_memory(true)));
    }
    slot->copied.emplace(c10::DeviceType::CUDA).record(stream);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) copy_on_host(slot->on_host[i], inputs[i]);
  return slot;
}

void InputSlots::give_back(std::unique_ptr<InputSlot> slot) noexcept {
  std::unique_ptr<InputSlot> oldest;
  try {
    if (is_being_written(*slot)) {
      detail::record_on(slot->inputs, slot->stream.value());  // the memory may belong to another stream
      return;
    }
    const std::scoped_lock lock(mutex_);
    // Requests of other sizes may come from now on, so the oldest goes.
    if (free_.size() == kMost) {
      oldest = std::move(free_.front());
      free_.erase(free_.begin());
    }
    free_.push_back(std::move(slot));
  } catch (const std::exception& error) {
    debug(std::string("the memory of inputs could not be kept: ") + error.what());
  }
}

void InputSlots::clear() {
  std::vector<std::unique_ptr<InputSlot>> all;
  const std::scoped_lock lock(mutex_);
  all.swap(free_);
}

}  // namespace greenlane::runtime

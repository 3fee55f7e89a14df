#include "runtime/tensor_workload.hpp"

#include "runtime/copy_lane.hpp"
#include "runtime/tensor_copy.hpp"
#include "torch/writes.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/ExpandUtils.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <exception>
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

// Returns whether a stream has no work left, also not in streams that it waits for without being told, as the default
// stream does. Records the event there, behind all of this, and looks at it for a moment.
bool has_no_work(c10::cuda::CUDAStream stream, c10::Event& event) {
  constexpr auto kMoment = std::chrono::microseconds(20);
  auto capture = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &capture) != cudaSuccess || capture != cudaStreamCaptureStatusNone) {
    (void)cudaGetLastError();  // another capture may forbid the question
    return false;
  }
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

}  // namespace

void InputSlots::copy_ahead(const Device& device) {
  const std::scoped_lock lock(mutex_);
  device_ = device;
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

c10::cuda::CUDAStream InputSlots::ahead() {
  const std::scoped_lock lock(mutex_);
  if (!ahead_) {
    const auto& device = device_.value();
    ahead_ = c10::cuda::getStreamFromExternal(copy_lane(device).stream().handle(),
                                              static_cast<c10::DeviceIndex>(device.id().index));
  }
  return *ahead_;
}

std::unique_ptr<InputSlot> InputSlots::copy(const std::vector<at::Tensor>& inputs) {
  const c10::InferenceMode no_inference_mode(false);  // other threads use the memory again
  const at::NoGradGuard no_gradients;
  auto slot = take(inputs, /*is_on_host=*/false);
  const bool is_new = !slot;
  if (is_new) slot = std::make_unique<InputSlot>();
  const auto on_gpu = std::ranges::find_if(inputs, [](const at::Tensor& input) { return input.is_cuda(); });
  if (on_gpu == inputs.end()) {
    fill(*slot, is_new, inputs, std::nullopt);
    return slot;
  }
  const auto device = on_gpu->device();
  const c10::cuda::CUDAGuard guard(device);
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  const auto caller = c10::cuda::getCurrentCUDAStream(device.index());
  if (!slot->copied) slot->copied.emplace(c10::DeviceType::CUDA);
  if (!slot->asked) slot->asked.emplace(c10::DeviceType::CUDA);
  const bool is_in_use = !is_new && !slot->is_settled && !slot->copied->query();
  const auto copies = ahead();
  // All engines share the stream for copies, so it must not wait for work of a caller.
  const bool is_ahead = !is_in_use && caller.priority() > copies.priority() && has_no_work(caller, *slot->asked);
  const auto stream = is_ahead ? copies : caller;
  const c10::cuda::CUDAStreamGuard on_stream(stream);
  if (is_in_use) slot->copied->block(stream);
  fill(*slot, is_new, inputs, stream);
  slot->copied->record(stream);
  if (is_ahead) slot->copied->block(caller);  // the caller may write to the inputs, or free them
  return slot;
}

std::unique_ptr<InputSlot> InputSlots::copy_from_host(const std::vector<at::Tensor>& inputs) {
  const c10::InferenceMode no_inference_mode(false);
  const at::NoGradGuard no_gradients;
  // New memory is allocated, which must not end a capture of another thread.
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  auto slot = take(inputs, /*is_on_host=*/true);
  if (!slot) {
    slot = std::make_unique<InputSlot>();
    // Earlier work on this stream may still use the memory. A run waits for that, and no graph is captured here.
    const auto stream = ahead();
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    for (const auto& input : inputs)
      slot->inputs.push_back(at::empty_like(input, input.options().device(stream.device())));
    slot->copied.emplace(c10::DeviceType::CUDA).record(stream);
  } else if (!slot->is_settled) {
    slot->on_host.clear();  // the device may still read it
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (slot->on_host.size() == i)
      slot->on_host.push_back(at::empty_like(inputs[i], inputs[i].options().pinned_memory(true)));
    copy_on_host(slot->on_host[i], inputs[i]);
  }
  return slot;
}

void InputSlots::give_back(std::unique_ptr<InputSlot> slot) {
  const std::scoped_lock lock(mutex_);
  // Requests of other sizes may come from now on, so the oldest goes.
  if (free_.size() == kMost) free_.erase(free_.begin());
  free_.push_back(std::move(slot));
}

void InputSlots::clear() {
  const std::scoped_lock lock(mutex_);
  free_.clear();
}

void TensorWork::bring_inputs(const at::Device& device) const {
  if (slot_->copied) slot_->copied->block(c10::cuda::getCurrentCUDAStream(device.index()));
  for (std::size_t i = 0; i < slot_->on_host.size(); ++i)
    slot_->inputs[i].copy_(slot_->on_host[i], /*non_blocking=*/true);
}

void TensorWork::give_back(bool is_settled) {
  if (!slot_) return;
  // An output may be an input, and the caller keeps it.
  const bool is_kept = std::ranges::any_of(slot_->inputs, [&](const at::Tensor& input) {
    return std::ranges::any_of(outputs, [&](const at::Tensor& output) { return detail::share_memory(input, output); });
  });
  slot_->is_settled = is_settled;
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

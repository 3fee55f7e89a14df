#include "runtime/tensor_source.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace greenlane::runtime {
namespace {

bool is_one_block(const at::Tensor& to, const at::Tensor& from) {
  return from.is_non_overlapping_and_dense() && to.strides() == from.strides() && !from.is_conj() && !from.is_neg();
}

// Copies on the host. PyTorch's operator would wake the threads of its pool for a large tensor.
void copy_on_host(const at::Tensor& to, const at::Tensor& from) {
  if (is_one_block(to, from)) {
    std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes());
  } else {
    to.copy_(from);
  }
}

void copy_to_gpu(const at::Tensor& to, const at::Tensor& from, c10::cuda::CUDAStream stream) {
  if (from.is_cuda() && from.device() != to.device() && is_one_block(to, from)) {
    C10_CUDA_CHECK(cudaMemcpyPeerAsync(to.mutable_data_ptr(), to.device().index(), from.const_data_ptr(),
                                       from.device().index(), from.nbytes(), stream));
  } else if (is_one_block(to, from)) {
    C10_CUDA_CHECK(
        cudaMemcpyAsync(to.mutable_data_ptr(), from.const_data_ptr(), from.nbytes(), cudaMemcpyDefault, stream));
  } else {
    to.copy_(from, /*non_blocking=*/true);
  }
}

bool has_size_of(const at::Tensor& one, const at::Tensor& other) {
  return one.scalar_type() == other.scalar_type() && one.sizes() == other.sizes();
}

}  // namespace

TensorSource::TensorSource(std::string name, std::size_t index, const Device& device, std::vector<at::Tensor> examples,
                           Check check)
    : name_(std::move(name)), index_(index), device_(device), examples_(std::move(examples)), check_(std::move(check)) {
  if (device.id().kind != DeviceKind::cuda) return;
  lane_ = Lane::create(device, {.name = "source " + name_});
  lane_->keep_stream();  // the items' memory belongs to the stream, and may outlive the source
}

void TensorSource::require_fit(const std::vector<at::Tensor>& item) const {
  if (item.size() != examples_.size()) {
    throw EngineError({.what = "an item of source '" + name_ + "' has " + std::to_string(item.size()) + " tensors",
                       .why = "the engines that take from it need " + std::to_string(examples_.size()),
                       .remedy = "publish exactly these tensors"});
  }
  if (!is_as_recorded(item)) check_(item);
}

bool TensorSource::is_as_recorded(const std::vector<at::Tensor>& item) const {
  return std::ranges::equal(item, examples_, [](const at::Tensor& tensor, const at::Tensor& example) {
    return !example.defined() || has_size_of(tensor, example);
  });
}

at::Tensor TensorSource::room_for(const at::Tensor& tensor, std::size_t index, const at::TensorOptions& on) const {
  const auto& example = examples_[index];
  const auto options = on.dtype(tensor.scalar_type());
  if (!example.defined() || !has_size_of(tensor, example)) return at::empty(tensor.sizes(), options);
  return at::empty_strided(example.sizes(), example.strides(), options);
}

TensorSource::Item TensorSource::publish(const std::vector<at::Tensor>& item) {
  const auto published = Clock::now();
  origin_.require_here("source '" + name_ + "'");
  require_fit(item);
  if (lane_) outlet_->expect();  // their threads wake up while the data is copied
  const std::scoped_lock lock(mutex_);
  (void)outlet_->wait_for_room(Clock::time_point::max());
  if (outlet_->is_closed()) {
    throw RequestError({.what = "source '" + name_ + "' takes no data", .why = "the pipeline is closed", .remedy = ""},
                       RequestError::Reason::closed);
  }
  Item result;
  auto payload = lane_ ? on_gpu(item, result.copied) : on_cpu(item);
  SourceItems items({.source = index_, .sequence = sequence_ + 1, .published = published});
  const auto handed_out =
      outlet_->publish(std::move(payload), std::move(items), std::numeric_limits<std::uint64_t>::max());
  result.sequence = sequence_ = handed_out.value->sequence;
  result.was_taken = handed_out.was_taken;
  return result;
}

std::shared_ptr<const TensorPayload> TensorSource::on_cpu(const std::vector<at::Tensor>& item) const {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> tensors;
  for (std::size_t i = 0; i < item.size(); ++i) {
    const auto& tensor = item[i];
    tensors.push_back(room_for(tensor, i, at::kCPU));
    if (tensor.is_cpu()) {
      copy_on_host(tensors.back(), tensor);
    } else {
      tensors.back().copy_(tensor);
    }
  }
  return std::make_shared<TensorPayload>(std::move(tensors));
}

TensorSource::Pinned& TensorSource::free_slot() {
  const auto free =
      std::ranges::find_if(ring_, [](const Pinned& each) { return !each.copied || each.copied->is_done(); });
  return free == ring_.end() ? ring_.emplace_back() : *free;
}

std::shared_ptr<const TensorPayload> TensorSource::on_gpu(const std::vector<at::Tensor>& item,
                                                          std::shared_ptr<const Written>& copied) {
  const at::NoGradGuard no_gradients;
  const auto device = static_cast<c10::DeviceIndex>(device_.id().index);
  const auto stream = c10::cuda::getStreamFromExternal(lane_->stream().handle(), device);
  // The program's own streams, before this one becomes current.
  for (const auto& tensor : item) {
    if (tensor.is_cuda()) events_.record(c10::cuda::getCurrentCUDAStream(tensor.get_device()))->block(stream);
  }
  const c10::cuda::CUDAStreamGuard guard(stream);
  Pinned* slot = nullptr;
  bool reads_own = false;
  std::vector<at::Tensor> tensors;
  for (std::size_t i = 0; i < item.size(); ++i) {
    tensors.push_back(room_for(item[i], i, at::Device(at::kCUDA, device)));
    auto from = item[i];
    if (!from.is_cuda() && !from.is_pinned()) {
      if (!slot) slot = &free_slot();
      slot->tensors.resize(item.size());
      auto& room = slot->tensors[i];
      if (!room.defined() || !has_size_of(room, from))
        room = room_for(from, i, at::TensorOptions(at::kCPU).pinned_memory(true));
      copy_on_host(room, from);
      from = room;
    } else {
      reads_own = true;
    }
    copy_to_gpu(tensors.back(), from, stream);
  }
  auto written = events_.record(stream);
  if (slot) slot->copied = written;
  if (reads_own) copied = written;
  return std::make_shared<TensorPayload>(std::move(tensors), std::move(written));
}

}  // namespace greenlane::runtime

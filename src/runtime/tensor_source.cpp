#include "runtime/tensor_source.hpp"

#include "runtime/copy_lane.hpp"
#include "runtime/tensor_copy.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace greenlane::runtime {
namespace {

bool has_size_of(const at::Tensor& one, const at::Tensor& other) {
  return one.scalar_type() == other.scalar_type() && one.sizes() == other.sizes();
}

}  // namespace

TensorSource::TensorSource(std::string name, std::size_t index, const Device& device, std::vector<at::Tensor> examples,
                           Check check)
    : name_(std::move(name)), index_(index), device_(device), examples_(std::move(examples)), check_(std::move(check)) {
  if (device.id().kind != DeviceKind::cuda) return;
  lane_ = Lane::create(device, {.name = "source " + name_, .priority = kAheadOfEngines});
  lane_->keep_stream();  // the items' memory belongs to the stream, and may outlive the source
}

void TensorSource::require_fit(const std::vector<at::Tensor>& item) const {
  if (item.size() != examples_.size()) {
    throw EngineError({.what = "an item of source '" + name_ + "' has " + std::to_string(item.size()) + " tensors",
                       .why = "the engines that take from it need " + std::to_string(examples_.size()),
                       .remedy = "publish exactly these tensors"});
  }
  for (std::size_t i = 0; i < item.size(); ++i) {
    if (item[i].defined() && item[i].layout() == at::kStrided && (item[i].is_cpu() || item[i].is_cuda())) continue;
    throw EngineError({.what = "tensor " + std::to_string(i) + " of an item of source '" + name_ + "' cannot be copied",
                       .why = "it is not dense, or is neither on a CPU nor on a GPU",
                       .remedy = "publish dense tensors"});
  }
  if (!is_as_recorded(item)) check_(item);
}

bool TensorSource::is_as_recorded(const std::vector<at::Tensor>& item) const {
  return std::ranges::equal(item, examples_, [](const at::Tensor& tensor, const at::Tensor& example) {
    return !example.defined() || has_size_of(tensor, example);
  });
}

void TensorSource::make_room(at::Tensor& room, const at::Tensor& tensor, std::size_t index,
                             const at::TensorOptions& on) const {
  if (room.defined() && has_size_of(room, tensor)) return;
  const auto& example = examples_[index];
  const auto options = on.dtype(tensor.scalar_type());
  room = example.defined() && has_size_of(tensor, example)
             ? at::empty_strided(example.sizes(), example.strides(), options)
             : at::empty(tensor.sizes(), options);
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
  Item result{.sequence = sequence_, .was_taken = false};
  auto payload = lane_ ? on_gpu(item, result.copied) : on_cpu(item);
  if (!payload) return result;
  SourceItems items({.source = index_, .sequence = sequence_ + 1, .published = published});
  const auto handed_out =
      outlet_->publish(std::move(payload), std::move(items), std::numeric_limits<std::uint64_t>::max());
  result.sequence = sequence_ = handed_out.value->sequence;
  result.was_taken = handed_out.was_taken;
  return result;
}

std::shared_ptr<const TensorPayload> TensorSource::on_cpu(const std::vector<at::Tensor>& item) const {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> tensors(item.size());
  for (std::size_t i = 0; i < item.size(); ++i) {
    make_room(tensors[i], item[i], i, at::kCPU);
    if (item[i].is_cpu()) {
      copy_on_host(tensors[i], item[i]);
    } else {
      tensors[i].copy_(item[i]);
    }
  }
  return std::make_shared<TensorPayload>(std::move(tensors));
}

std::shared_ptr<TensorSource::Slot> TensorSource::take_slot() {
  constexpr std::size_t kMostFree = 8;
  constexpr std::size_t kMostInUse = 1024;  // a queue may hold many
  std::unique_ptr<Slot> slot;
  {
    const std::scoped_lock lock(slots_->mutex);
    // The copies to the slot's device memory follow each other on the stream. The host must not be ahead of them.
    const auto is_ready = [](const auto& each) { return !each->is_staged || each->copied->is_done(); };
    const auto ready = std::ranges::find_if(slots_->free, is_ready);
    if (ready != slots_->free.end()) {
      slot = std::move(*ready);
      slots_->free.erase(ready);
    } else if (slots_->in_use + slots_->free.size() >= kMostInUse) {
      return nullptr;
    }
    ++slots_->in_use;
  }
  if (!slot) slot = std::make_unique<Slot>();
  return {slot.release(), [slots = slots_](Slot* used) {
            std::unique_ptr<Slot> owned(used);
            const std::scoped_lock lock(slots->mutex);
            --slots->in_use;
            const auto is_read = [&] { return owned->copied && !owned->copied->is_done(); };
            if (slots->free.size() < kMostFree || is_read()) slots->free.push_back(std::move(owned));
          }};
}

bool TensorSource::is_pinned(const at::Tensor& tensor) {
  constexpr std::size_t kMost = 64;
  // The driver takes a microsecond to tell. If the memory was freed since, and other memory is there now, the answer
  // may be wrong: the copy is right all the same, because the driver looks again.
  const auto known = pinned_.find(tensor.const_data_ptr());
  if (known != pinned_.end()) return known->second;
  if (pinned_.size() >= kMost) pinned_.clear();
  return pinned_.emplace(tensor.const_data_ptr(), tensor.is_pinned()).first->second;
}

std::shared_ptr<const TensorPayload> TensorSource::on_gpu(const std::vector<at::Tensor>& item,
                                                          std::shared_ptr<const Written>& copied) {
  const auto slot = take_slot();
  if (!slot || !lane_) return nullptr;
  const at::NoGradGuard no_gradients;
  const auto device = static_cast<c10::DeviceIndex>(device_.id().index);
  const auto stream = c10::cuda::getStreamFromExternal(lane_->stream().handle(), device);
  // The program's own streams, before this one becomes current.
  for (const auto& tensor : item) {
    if (tensor.is_cuda()) events_.record(c10::cuda::getCurrentCUDAStream(tensor.get_device()))->block(stream);
  }
  const c10::cuda::CUDAStreamGuard guard(stream);
  slot->device.resize(item.size());
  slot->pinned.resize(item.size());
  bool reads_own = false;
  try {
    reads_own = enqueue_copies(item, *slot, stream);
  } catch (...) {
    slot->copied = events_.record(stream);  // behind the copies that were enqueued
    throw;
  }
  slot->copied = events_.record(stream);
  if (reads_own) copied = slot->copied;
  return std::make_shared<TensorPayload>(slot->device, slot->copied, slot);
}

bool TensorSource::enqueue_copies(const std::vector<at::Tensor>& item, Slot& slot, c10::cuda::CUDAStream stream) {
  bool reads_own = false;
  slot.is_staged = false;
  for (std::size_t i = 0; i < item.size(); ++i) {
    make_room(slot.device[i], item[i], i, stream.device());
    if (item[i].is_cuda() || is_pinned(item[i])) {
      reads_own = true;
      copy_to_gpu(slot.device[i], item[i], stream);
      continue;
    }
    slot.is_staged = true;
    make_room(slot.pinned[i], item[i], i, at::TensorOptions(at::kCPU).pinned_memory(true));
    copy_on_host(slot.pinned[i], item[i]);
    copy_to_gpu(slot.device[i], slot.pinned[i], stream);
  }
  return reads_own;
}

}  // namespace greenlane::runtime

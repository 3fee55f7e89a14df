#include "runtime/tensor_payload.hpp"

#include <greenlane/core/error.hpp>

#include <ATen/Functions.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <utility>

namespace greenlane::runtime {
namespace {

// Enqueues the copy on the current stream of the target device alone. PyTorch would use a stream of the other, too.
at::Tensor peer_copy(const at::Tensor& tensor, const at::Device& device, c10::cuda::CUDAStream stream) {
  if (!tensor.is_non_overlapping_and_dense()) return tensor.to(device, /*non_blocking=*/true);
  const c10::cuda::CUDAGuard guard(device);
  auto copy = at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(device));
  C10_CUDA_CHECK(cudaMemcpyPeerAsync(copy.mutable_data_ptr(), device.index(), tensor.const_data_ptr(),
                                     tensor.device().index(), tensor.nbytes(), stream));
  return copy;
}

// The handle of the default stream means that of the current device.
class DeviceOfDefaultStream {
 public:
  explicit DeviceOfDefaultStream(c10::cuda::CUDAStream stream) {
    if (!stream.stream()) guard_.set_index(stream.device_index());
  }

 private:
  c10::cuda::OptionalCUDAGuard guard_;
};

}  // namespace

Written::Written(c10::DeviceIndex device) {
  const c10::cuda::CUDAGuard guard(device);
  C10_CUDA_CHECK(cudaEventCreate(&event_));  // with times
}

Written::~Written() { C10_CUDA_CHECK_WARN(cudaEventDestroy(event_)); }

void Written::record(c10::cuda::CUDAStream stream) {
  is_done_.store(false, std::memory_order_relaxed);
  const DeviceOfDefaultStream scope(stream);
  C10_CUDA_CHECK(cudaEventRecord(event_, stream));
}

bool Written::is_done() const {
  if (is_done_.load(std::memory_order_acquire)) return true;
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  const auto status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) {
    (void)cudaGetLastError();
    return false;
  }
  C10_CUDA_CHECK(status);
  is_done_.store(true, std::memory_order_release);
  return true;
}

void Written::wait() const {
  if (is_done()) return;
  const c10::cuda::CUDAStreamCaptureModeGuard while_others_capture(cudaStreamCaptureModeRelaxed);
  C10_CUDA_CHECK(cudaEventSynchronize(event_));
  is_done_.store(true, std::memory_order_release);
}

void Written::block(c10::cuda::CUDAStream stream) const {
  if (is_done()) return;
  const DeviceOfDefaultStream scope(stream);
  C10_CUDA_CHECK(cudaStreamWaitEvent(stream, event_));
}

std::chrono::nanoseconds Written::since(const Written& other) const {
  float milliseconds = 0;
  C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, other.event_, event_));
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double, std::milli>(milliseconds));
}

std::shared_ptr<const Written> WrittenPool::record(c10::cuda::CUDAStream stream) {
  const auto device = stream.device_index();
  std::unique_ptr<Written> written;
  {
    const std::scoped_lock lock(free_->mutex);
    auto& free = free_->all[device];
    if (!free.empty()) {
      written = std::move(free.back());
      free.pop_back();
    }
  }
  if (!written) written = std::make_unique<Written>(device);
  written->record(stream);
  return {written.release(), [free = free_, device](Written* used) {
            std::unique_ptr<Written> owned(used);
            const std::scoped_lock lock(free->mutex);
            free->all[device].push_back(std::move(owned));
          }};
}

at::Tensor TensorPayload::tensor_on(std::size_t index, const at::Device& device) const {
  if (index >= tensors_.size()) {
    throw EngineError({.what = "the producer gave no tensor " + std::to_string(index),
                       .why = "it gave " + std::to_string(tensors_.size()),
                       .remedy = "correct `from` of the engine"});
  }
  const auto& tensor = tensors_[index];
  if (!device.is_cuda()) {
    wait();
    if (!tensor.is_cuda()) return tensor;
    // The default stream would wait for other work.
    const c10::cuda::CUDAStreamGuard guard(
        c10::cuda::getStreamFromPool(/*isHighPriority=*/true, tensor.device().index()));
    return tensor.to(device);
  }
  const auto stream = c10::cuda::getCurrentCUDAStream(device.index());
  if (written_) written_->block(stream);
  if (tensor.device() == device) return tensor;
  if (!tensor.is_cuda()) return tensor.to(device);
  return peer_copy(tensor, device, stream);
}

}  // namespace greenlane::runtime

#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/torch/profiling.hpp>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/profiler/api.h>

#include <algorithm>

namespace greenlane {
namespace {

constexpr int kStreamsPerPool = 32;
constexpr int kPriorities = 4;  // the most that there are; the lowest is 0

}  // namespace

bool profiler_is_running() { return torch::profiler::impl::profilerEnabled(); }

std::vector<StreamView> pool_streams(DeviceId device) {
  const CurrentContext context;  // PyTorch's guards make a primary context current
  std::vector<StreamView> streams;
  const auto index = static_cast<c10::DeviceIndex>(device.index);
  if (index >= c10::cuda::device_count()) return streams;
  for (int priority = 0; priority < kPriorities; ++priority) {
    // The pool gives its streams out in turn. After one whole round its position is as before.
    for (int i = 0; i < kStreamsPerPool; ++i) {
      const StreamView stream(c10::cuda::getStreamFromPool(-priority, index).stream());
      if (std::ranges::find(streams, stream) == streams.end()) streams.push_back(stream);
    }
  }
  return streams;
}

void synchronize_devices() {
  const CurrentContext context;
  const auto count = c10::cuda::device_count();
  for (c10::DeviceIndex index = 0; index < count; ++index) {
    if (!c10::cuda::hasPrimaryContext(index)) continue;
    const c10::cuda::CUDAGuard guard(index);
    c10::cuda::device_synchronize();
  }
}

bool touch_gpu() {
  const CurrentContext context;
  const auto count = c10::cuda::device_count();
  for (c10::DeviceIndex index = 0; index < count; ++index) {
    if (!c10::cuda::hasPrimaryContext(index)) continue;
    const c10::cuda::CUDAGuard guard(index);
    const auto byte = at::empty({1}, at::TensorOptions(at::Device(at::kCUDA, index)).dtype(at::kByte));
    C10_CUDA_CHECK(cudaMemsetAsync(byte.data_ptr(), 0, 1, c10::cuda::getCurrentCUDAStream(index).stream()));
    return true;
  }
  return false;
}

}  // namespace greenlane

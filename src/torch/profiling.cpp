#include <greenlane/torch/profiling.hpp>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/profiler/api.h>

#include <algorithm>

namespace greenlane {
namespace {

constexpr int kStreamsPerPool = 32;
constexpr int kPriorities = 4;  // at most; the lowest is 0

}  // namespace

bool profiler_is_running() { return torch::profiler::impl::profilerEnabled(); }

std::vector<StreamView> pool_streams(DeviceId device) {
  std::vector<StreamView> streams;
  const auto index = static_cast<c10::DeviceIndex>(device.index);
  if (index >= c10::cuda::device_count()) return streams;
  for (int priority = 0; priority < kPriorities; ++priority) {
    // They are given out in turn, and whose turn it is afterwards is as before.
    for (int i = 0; i < kStreamsPerPool; ++i) {
      const StreamView stream(c10::cuda::getStreamFromPool(-priority, index).stream());
      if (std::ranges::find(streams, stream) == streams.end()) streams.push_back(stream);
    }
  }
  return streams;
}

void synchronize_devices() {
  const auto count = c10::cuda::device_count();
  for (c10::DeviceIndex index = 0; index < count; ++index) {
    if (!c10::cuda::hasPrimaryContext(index)) continue;
    const c10::cuda::CUDAGuard guard(index);
    c10::cuda::device_synchronize();
  }
}

}  // namespace greenlane

#include "torch/tensorrt/passthrough.hpp"

#include "torch/tensorrt/graph_mode.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/core/process.hpp>

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <map>
#include <mutex>
#include <string>

namespace greenlane::tensorrt {
namespace {

// Returns the device whose current stream stock Torch-TensorRT uses: the first input's, else the current device.
c10::DeviceIndex device_of(const torch::jit::Stack& stack) {
  const auto inputs = stack.at(stack.size() - 2).toListRef();
  const bool is_on_gpu = !inputs.empty() && inputs[0].isTensor() && inputs[0].toTensor().is_cuda();
  return is_on_gpu ? inputs[0].toTensor().get_device() : c10::cuda::current_device();
}

// Returns a stream, in the device's primary context, that CUDA orders as the default stream.
c10::cuda::CUDAStream ordered_as_default(c10::DeviceIndex device) {
  static auto* const mutex = new detail::ForkSafeMutex;
  static auto* const streams = new std::map<c10::DeviceIndex, cudaStream_t>;
  const std::scoped_lock lock(*mutex);
  auto& stream = (*streams)[device];
  if (stream == nullptr) {
    const CurrentContext context(Device::open({DeviceKind::cuda, device}));
    const auto result = cudaStreamCreateWithFlags(&stream, cudaStreamDefault);
    if (result != cudaSuccess) {
      throw StreamError({.what = "the passthrough has no stream on cuda:" + std::to_string(device),
                         .why = std::string("cudaStreamCreateWithFlags: ") + cudaGetErrorString(result),
                         .remedy = "call the engine from a stream of your own, or turn the passthrough off"});
    }
  }
  return c10::cuda::getStreamFromExternal(stream, device);
}

}  // namespace

PassthroughScope::PassthroughScope(const torch::jit::Stack& stack) {
  if (!engine_stream_passthrough() || !stack.back().isObject()) return;
  if (c10::cuda::device_count() == 0 || stock_has_graphs()) return;
  const auto device = device_of(stack);
  const auto caller = c10::cuda::getCurrentCUDAStream(device);
  if (caller != c10::cuda::getDefaultCUDAStream(device)) return;
  const auto stream = ordered_as_default(device);
  former_ = caller;
  c10::cuda::setCurrentCUDAStream(stream);
}

PassthroughScope::~PassthroughScope() {
  if (former_) c10::cuda::setCurrentCUDAStream(*former_);
}

}  // namespace greenlane::tensorrt

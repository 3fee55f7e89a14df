#include "context.hpp"

#include <array>

namespace tensorrt_double {

Context::Context(const Engine& engine) noexcept
    : engine_(engine), device_(current_context()), kernel_(kernel()), blocks_(engine.text().blocks) {
  mImpl = this;
  const auto& cuda = driver();
  const std::array<std::int32_t, 3> zeros{};
  check(cuda.cuMemAlloc(&scratch_, sizeof zeros), "cuMemAlloc");
  check(cuda.cuMemcpyHtoD(scratch_, zeros.data(), sizeof zeros), "cuMemcpyHtoD");
  if (engine.text().memory != 0) check(cuda.cuMemAlloc(&memory_, engine.text().memory), "cuMemAlloc");
  if (!engine.text().aux) return;
  check(cuda.cuStreamCreate(&aux_, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  check(cuda.cuEventCreate(&fork_, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
  check(cuda.cuEventCreate(&join_, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
}

// Does not check results, because the driver may be gone at the end of the process.
Context::~Context() noexcept {
  const auto& cuda = driver();
  CUcontext former = nullptr;
  cuda.cuCtxGetCurrent(&former);
  cuda.cuCtxSetCurrent(device_);
  cuda.cuMemFree(scratch_);
  if (memory_ != 0) cuda.cuMemFree(memory_);
  if (aux_ != nullptr) {
    cuda.cuStreamDestroy(aux_);
    cuda.cuEventDestroy(fork_);
    cuda.cuEventDestroy(join_);
  }
  cuda.cuCtxSetCurrent(former);
}

bool Context::setOptimizationProfileAsync(int32_t profile, cudaStream_t /*stream*/) noexcept {
  if (profile < 0 || profile >= engine_.getNbOptimizationProfiles()) return false;
  profile_ = profile;
  return true;
}

bool Context::setInputShape(char const* name, Dims const& shape) noexcept {
  if (engine_.tensor(name).name != "x" || shape.nbDims != 1) return false;
  elements_ = shape.d[0];
  return true;
}

bool Context::setTensorAddress(char const* name, void* data) noexcept {
  addresses_[engine_.tensor(name).name] = data;
  return true;
}

bool Context::setOutputAllocator(char const* name, IOutputAllocator* allocator) noexcept {
  allocators_[engine_.tensor(name).name] = allocator;
  return true;
}

// Also reads the shape tensor. It lies in host memory, and is only ready now for sure.
int32_t Context::inferShapes(int32_t count, char const** names) noexcept {
  if (engine_.text().shape) blocks_ = *static_cast<const std::int64_t*>(addresses_.at("n"));
  const auto& [least, greatest] = engine_.text().profiles.at(profile_);
  if (!engine_.text().input || (elements_ >= least && elements_ <= greatest)) return 0;
  if (count > 0) names[0] = "x";
  return 1;
}

Dims Context::getTensorShape(char const* name) const noexcept {
  const auto& tensor = engine_.tensor(name);
  if (tensor.name == "x" || tensor.name == "twice") return vector_of(elements_);
  if (tensor.name == "where") return vector_of(blocks_);
  return tensor.shape;
}

CUdeviceptr Context::address(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) die("an engine was called without an address for " + name);
  return reinterpret_cast<CUdeviceptr>(found->second);
}

// Returns the memory for an output. An allocator is asked while the call is enqueued, as in TensorRT.
CUdeviceptr Context::output(const std::string& name, cudaStream_t stream) {
  const auto found = allocators_.find(name);
  if (found == allocators_.end()) return address(name);
  const auto shape = getTensorShape(name.c_str());
  const auto bytes = static_cast<std::uint64_t>(shape.d[0]) * 4;  // all outputs have elements of four bytes
  auto*& memory = addresses_[name];
  memory = found->second->reallocateOutputAsync(name.c_str(), memory, bytes, 256, stream);
  found->second->notifyShape(name.c_str(), shape);
  return reinterpret_cast<CUdeviceptr>(memory);
}

bool Context::enqueueV3(cudaStream_t stream) noexcept {
  const auto& text = engine_.text();
  if (current_context() != device_) die("an engine was called with another device current than its own");
  update_shape(stream);
  KernelArguments arguments{
      .where = output("where", stream),
      .twice = text.input ? output("twice", stream) : 0,
      .input = text.input ? address("x") : 0,
      .scratch = scratch_,
      .count = text.count ? output("count", stream) : 0,
      .elements = text.input ? static_cast<std::uint64_t>(elements_) : 0,
      .limit = scratch_ + sizeof(std::int32_t),
      .hold = text.hold,
      .first = 0,
      .step = 1,
      .all = static_cast<std::uint32_t>(blocks_),
  };
  auto earlier = arguments;
  earlier.scratch = scratch_ + 2 * sizeof(std::int32_t);
  earlier.count = 0;
  if (text.layers != 0) reinterpret_cast<void (*)(CUstream)>(text.layers)(stream);
  for (std::int64_t kernel = 1; kernel < text.kernels; ++kernel) enqueue(stream, earlier);
  enqueue(stream, arguments);
  return true;
}

void Context::update_shape(CUstream stream) {
  if (elements_ == elements_on_device_) return;
  const auto& cuda = driver();
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  check(cuda.cuStreamIsCapturing(stream, &status), "cuStreamIsCapturing");
  const bool captured = status != CU_STREAM_CAPTURE_STATUS_NONE;
  const bool has_layers = engine_.text().kernels > 1 || engine_.text().layers != 0;
  if (captured && has_layers) die("an engine was captured in its first call of a shape");
  check(cuda.cuMemsetD32Async(scratch_ + sizeof(std::int32_t), static_cast<unsigned>(elements_), 1, stream),
        "cuMemsetD32Async");
  if (!captured) elements_on_device_ = elements_;
}

void Context::enqueue(CUstream stream, KernelArguments arguments) {
  if (aux_ == nullptr || blocks_ < 2) {
    launch(kernel_, stream, arguments.all, arguments);
    return;
  }
  const auto& cuda = driver();
  check(cuda.cuEventRecord(fork_, stream), "cuEventRecord");
  check(cuda.cuStreamWaitEvent(aux_, fork_, 0), "cuStreamWaitEvent");
  arguments.step = 2;
  launch(kernel_, stream, (arguments.all + 1) / 2, arguments);
  arguments.first = 1;
  launch(kernel_, aux_, arguments.all / 2, arguments);
  check(cuda.cuEventRecord(join_, aux_), "cuEventRecord");
  check(cuda.cuStreamWaitEvent(stream, join_, 0), "cuStreamWaitEvent");
}

}  // namespace tensorrt_double

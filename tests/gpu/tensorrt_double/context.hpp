// An execution context: its addresses by name, its own memory, and the launches of one call.
#pragma once

#include "driver.hpp"
#include "engine.hpp"
#include "kernel.hpp"

#include <map>
#include <string>

namespace tensorrt_double {

class Context final : public IExecutionContext, public apiv::VExecutionContext {
 public:
  // Belongs to the device that is current, as in TensorRT. Calls must come with the same device current.
  explicit Context(const Engine& engine) noexcept;
  ~Context() noexcept override;

  IExecutionContext* getPImpl() noexcept override { return this; }
  ICudaEngine const& getEngine() const noexcept override { return engine_; }
  bool setOptimizationProfileAsync(int32_t profile, cudaStream_t stream) noexcept override;
  bool setInputShape(char const* name, Dims const& shape) noexcept override;
  bool setTensorAddress(char const* name, void* data) noexcept override;
  bool setOutputAllocator(char const* name, IOutputAllocator* allocator) noexcept override;
  int32_t inferShapes(int32_t count, char const** names) noexcept override;
  Dims getTensorShape(char const* name) const noexcept override;
  bool enqueueV3(cudaStream_t stream) noexcept override;
  // The double needs no such memory.
  void setDeviceMemoryV2(void* /*memory*/, int64_t /*size*/) noexcept override {}

  NEVER(void, setDebugSync, (bool))
  NEVER(bool, getDebugSync, () const)
  NEVER(void, setProfiler, (IProfiler*))
  NEVER(IProfiler*, getProfiler, () const)
  NEVER(void, setName, (char const*))
  NEVER(char const*, getName, () const)
  NEVER(void, setDeviceMemory, (void*))
  NEVER(int32_t, getOptimizationProfile, () const)
  NEVER(bool, allInputDimensionsSpecified, () const)
  NEVER(void, setErrorRecorder, (IErrorRecorder*))
  NEVER(IErrorRecorder*, getErrorRecorder, () const)
  NEVER(bool, executeV2, (void* const*))
  NEVER(void, setEnqueueEmitsProfile, (bool))
  NEVER(bool, getEnqueueEmitsProfile, () const)
  NEVER(bool, reportToProfiler, () const)
  NEVER(Dims, getTensorStrides, (char const*) const)
  NEVER(void const*, getTensorAddress, (char const*) const)
  NEVER(bool, setInputTensorAddress, (char const*, void const*))
  NEVER(bool, setOutputTensorAddress, (char const*, void*))
  NEVER(bool, setInputConsumedEvent, (cudaEvent_t))
  NEVER(cudaEvent_t, getInputConsumedEvent, () const)
  NEVER(void*, getOutputTensorAddress, (char const*) const)
  NEVER(IOutputAllocator*, getOutputAllocator, (char const*))
  NEVER(int64_t, getMaxOutputSize, (char const*) const)
  NEVER(bool, setTemporaryStorageAllocator, (IGpuAllocator*))
  NEVER(IGpuAllocator*, getTemporaryStorageAllocator, () const)
  NEVER(void, setPersistentCacheLimit, (size_t))
  NEVER(size_t, getPersistentCacheLimit, () const)
  NEVER(bool, setNvtxVerbosity, (ProfilingVerbosity))
  NEVER(ProfilingVerbosity, getNvtxVerbosity, () const)
  NEVER(void, setAuxStreams, (cudaStream_t*, int32_t))
  NEVER(bool, setDebugListener, (IDebugListener*))
  NEVER(IDebugListener*, getDebugListener, ())
  NEVER(bool, setTensorDebugState, (char const*, bool))
  NEVER(bool, getDebugState, (char const*) const)
  NEVER(bool, setAllTensorsDebugState, (bool))
  NEVER(size_t, updateDeviceMemorySizeForShapes, ())
  NEVER(IRuntimeConfig*, getRuntimeConfig, () const)
  NEVER(bool, setUnfusedTensorsDebugState, (bool))
  NEVER(bool, getUnfusedTensorsDebugState, () const)
  NEVER(bool, setCommunicator, (void*))

 private:
  // Writes the number of elements to the device after a change of shape, as TensorRT does with what depends on shapes.
  // Ends the process in a capture of an engine of several kernels or with layers, which must not hold this.
  void update_shape(CUstream stream);
  // Launches one kernel, or two side by side.
  void enqueue(CUstream stream, KernelArguments arguments);
  [[nodiscard]] CUdeviceptr address(const std::string& name) const;
  [[nodiscard]] CUdeviceptr output(const std::string& name, cudaStream_t stream);

  const Engine& engine_;
  CUcontext device_;
  CUfunction kernel_;
  CUdeviceptr scratch_ = 0;  // three words: the calls that ended, the elements of the present shape, and one to ignore
  CUdeviceptr memory_ = 0;
  CUstream aux_ = nullptr;
  CUevent fork_ = nullptr;
  CUevent join_ = nullptr;
  std::int32_t profile_ = 0;
  std::int64_t blocks_;
  std::int64_t elements_ = 0;
  std::int64_t elements_on_device_ = -1;
  std::map<std::string, void*, std::less<>> addresses_;
  std::map<std::string, IOutputAllocator*, std::less<>> allocators_;
};

}  // namespace tensorrt_double

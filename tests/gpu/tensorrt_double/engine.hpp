// An engine: its inputs and outputs, by name.
#pragma once

#include "engine_text.hpp"
#include "never.hpp"

#include <NvInferRuntime.h>

#include <string>
#include <vector>

namespace tensorrt_double {

using namespace nvinfer1;  // NOLINT(google-build-using-namespace): its types stand in every line below

struct Tensor {
  std::string name;
  DataType type;
  TensorIOMode mode;
  Dims shape;  // -1 where it depends on an input
};

class Engine final : public ICudaEngine, public apiv::VCudaEngine {
 public:
  explicit Engine(EngineText text);

  [[nodiscard]] const EngineText& text() const noexcept { return text_; }
  // Ends the process if there is no tensor of this name.
  [[nodiscard]] const Tensor& tensor(char const* name) const noexcept;

  ICudaEngine* getPImpl() noexcept override { return this; }
  IHostMemory* serialize() const noexcept override;
  IRuntimeConfig* createRuntimeConfig() noexcept override;
  IExecutionContext* createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept override;
  IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept override;

  int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(tensors_.size()); }
  char const* getIOTensorName(int32_t index) const noexcept override { return tensors_.at(index).name.c_str(); }
  Dims getTensorShape(char const* name) const noexcept override { return tensor(name).shape; }
  DataType getTensorDataType(char const* name) const noexcept override { return tensor(name).type; }
  TensorIOMode getTensorIOMode(char const* name) const noexcept override { return tensor(name).mode; }
  bool isShapeInferenceIO(char const* name) const noexcept override { return tensor(name).name == "n"; }
  char const* getAliasedInputTensor(char const* name) const noexcept override {
    return text_.alias && tensor(name).name == "twice" ? "x" : nullptr;
  }
  int32_t getNbOptimizationProfiles() const noexcept override { return static_cast<int32_t>(text_.profiles.size()); }
  Dims getProfileShape(char const* name, int32_t profile, OptProfileSelector select) const noexcept override;
  int32_t getNbAuxStreams() const noexcept override { return text_.aux ? 1 : 0; }
  // Returns the size of the memory that the caller provides if it manages the memory itself.
  int64_t getDeviceMemorySizeV2() const noexcept override { return 1 << 20; }
  // There are no weights.
  int64_t getStreamableWeightsSize() const noexcept override { return 0; }
  int64_t getWeightStreamingBudgetV2() const noexcept override { return 0; }
  int64_t getWeightStreamingAutomaticBudget() const noexcept override { return 0; }
  bool setWeightStreamingBudgetV2(int64_t /*budget*/) noexcept override { return true; }

  NEVER(int32_t, getNbLayers, () const)
  NEVER(bool, isRefittable, () const)
  NEVER(char const*, getName, () const)
  NEVER(EngineCapability, getEngineCapability, () const)
  NEVER(void, setErrorRecorder, (IErrorRecorder*))
  NEVER(IErrorRecorder*, getErrorRecorder, () const)
  NEVER(TacticSources, getTacticSources, () const)
  NEVER(ProfilingVerbosity, getProfilingVerbosity, () const)
  NEVER(IEngineInspector*, createEngineInspector, () const)
  NEVER(TensorLocation, getTensorLocation, (char const*) const)
  NEVER(int32_t, getTensorBytesPerComponent, (char const*) const)
  NEVER(int32_t, getTensorComponentsPerElement, (char const*) const)
  NEVER(TensorFormat, getTensorFormat, (char const*) const)
  NEVER(char const*, getTensorFormatDesc, (char const*) const)
  NEVER(int32_t, getTensorVectorizedDim, (char const*) const)
  NEVER(HardwareCompatibilityLevel, getHardwareCompatibilityLevel, () const)
  NEVER(int32_t, getTensorBytesPerComponentV2, (char const*, int32_t) const)
  NEVER(int32_t, getTensorComponentsPerElementV2, (char const*, int32_t) const)
  NEVER(TensorFormat, getTensorFormatV2, (char const*, int32_t) const)
  NEVER(char const*, getTensorFormatDescV2, (char const*, int32_t) const)
  NEVER(int32_t, getTensorVectorizedDimV2, (char const*, int32_t) const)
  NEVER(ISerializationConfig*, createSerializationConfig, ())
  NEVER(IHostMemory*, serializeWithConfig, (ISerializationConfig&) const)
  NEVER(IRefitter*, createRefitter, (ILogger&))
  NEVER(bool, isDebugTensor, (char const*) const)
  NEVER(int64_t, getWeightStreamingScratchMemorySize, () const)
  NEVER(int64_t, getDeviceMemorySizeForProfileV2, (int32_t) const)
  NEVER(int64_t const*, getProfileTensorValuesV2, (char const*, int32_t, OptProfileSelector) const)
  NEVER(int64_t, getEngineStat, (EngineStat) const)

 private:
  EngineText text_;
  std::vector<Tensor> tensors_;
};

[[nodiscard]] inline Dims vector_of(std::int64_t length) noexcept {
  Dims shape{};
  shape.nbDims = 1;
  shape.d[0] = length;
  return shape;
}

}  // namespace tensorrt_double

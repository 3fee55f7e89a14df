// The symbols of libnvinfer.so that Torch-TensorRT finds by name: a runtime, and the registry of plugins.
#include "engine.hpp"
#include "never.hpp"

#include <NvInferRuntime.h>

namespace tensorrt_double {
namespace {

using namespace nvinfer1;  // NOLINT(google-build-using-namespace): its types stand in every line below

// One object is both sides of TensorRT's interface, here and in the other files: the class whose inline methods are
// compiled into callers, and the virtual class to which those methods forward.
class Runtime final : public IRuntime, public apiv::VRuntime {
 public:
  explicit Runtime(ILogger* logger) : logger_(logger) { mImpl = this; }

  IRuntime* getPImpl() noexcept override { return this; }
  ILogger* getLogger() const noexcept override { return logger_; }

  ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override {
    auto text = parse_engine({static_cast<const char*>(blob), size});
    if (text) return new Engine(std::move(*text));
    logger_->log(ILogger::Severity::kERROR, "this is no engine of the double of TensorRT");
    return nullptr;
  }

  NEVER(void, setDLACore, (int32_t))
  NEVER(int32_t, getDLACore, () const)
  NEVER(int32_t, getNbDLACores, () const)
  NEVER(void, setGpuAllocator, (IGpuAllocator*))
  NEVER(void, setErrorRecorder, (IErrorRecorder*))
  NEVER(IErrorRecorder*, getErrorRecorder, () const)
  NEVER(bool, setMaxThreads, (int32_t))
  NEVER(int32_t, getMaxThreads, () const)
  NEVER(void, setTemporaryDirectory, (char const*))
  NEVER(char const*, getTemporaryDirectory, () const)
  NEVER(void, setTempfileControlFlags, (TempfileControlFlags))
  NEVER(TempfileControlFlags, getTempfileControlFlags, () const)
  NEVER(IPluginRegistry&, getPluginRegistry, ())
  NEVER(void, setPluginRegistryParent, (IPluginRegistry*))
  NEVER(IRuntime*, loadRuntime, (char const*))
  NEVER(void, setEngineHostCodeAllowed, (bool))
  NEVER(bool, getEngineHostCodeAllowed, () const)
  NEVER(ICudaEngine*, deserializeCudaEngineV2, (IStreamReaderV2&))

 private:
  ILogger* logger_;
};

// Accepts the plugins that Torch-TensorRT registers. No engine of the double has any.
class PluginRegistry final : public IPluginRegistry {
 public:
  ~PluginRegistry() noexcept override = default;

  bool registerCreator(IPluginCreatorInterface& /*creator*/, AsciiChar const* /*space*/) noexcept override {
    return true;
  }
  IPluginCreatorInterface* const* getAllCreators(int32_t* count) const noexcept override {
    *count = 0;
    return nullptr;
  }

  NEVER(void, setErrorRecorder, (IErrorRecorder*))
  NEVER(IErrorRecorder*, getErrorRecorder, () const)
  NEVER(bool, isParentSearchEnabled, () const)
  NEVER(void, setParentSearchEnabled, (bool))
  NEVER(PluginLibraryHandle, loadLibrary, (AsciiChar const*))
  NEVER(void, deregisterLibrary, (PluginLibraryHandle))
  NEVER(IPluginCreatorInterface*, getCreator, (AsciiChar const*, AsciiChar const*, AsciiChar const*))
  NEVER(bool, deregisterCreator, (IPluginCreatorInterface const&))
  NEVER(IPluginResource*, acquirePluginResource, (AsciiChar const*, IPluginResource*))
  NEVER(int32_t, releasePluginResource, (AsciiChar const*))
  NEVER(IPluginCreatorInterface* const*, getAllCreatorsRecursive, (int32_t*))
};

}  // namespace
}  // namespace tensorrt_double

void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
  if (version / 10000 != NV_TENSORRT_MAJOR)
    tensorrt_double::die("it was asked for TensorRT " + std::to_string(version));
  return static_cast<nvinfer1::IRuntime*>(new tensorrt_double::Runtime(static_cast<nvinfer1::ILogger*>(logger)));
}

nvinfer1::IPluginRegistry* getPluginRegistry() noexcept {
  static tensorrt_double::PluginRegistry registry;
  return &registry;
}

#include "core/cuda/stream_check.hpp"

#include "core/cuda/driver_check.hpp"
#include "core/stream_registry.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <optional>

namespace greenlane::detail {
namespace {

[[noreturn]] void refuse(StreamView stream, const std::string& why, const std::string& remedy) {
  throw StreamError({.what = "stream " + to_string(stream) + " cannot be bound", .why = why, .remedy = remedy});
}

const char* const kMakeAStream =
    "make a stream of your own (cudaStreamCreateWithFlags, torch.cuda.Stream) or use a lane";

// Returns the device of a stream, or nothing if this driver cannot tell.
std::optional<CUdevice> device_of(const driver::Table& driver, StreamView stream) {
  CUdevice device = -1;
  if (driver.cuStreamGetDevice) {
    if (const CUresult result = driver.cuStreamGetDevice(stream.handle(), &device); result != CUDA_SUCCESS) {
      refuse(stream, "CUDA does not know it: cuStreamGetDevice gave " + describe(driver, result),
             "pass a stream that lives for as long as it is bound");
    }
    return device;
  }
  CUcontext context = nullptr;
  if (driver.cuStreamGetCtx(stream.handle(), &context) != CUDA_SUCCESS) return std::nullopt;
  if (driver.cuCtxPushCurrent(context) != CUDA_SUCCESS) return std::nullopt;
  const CUresult result = driver.cuCtxGetDevice(&device);
  driver.cuCtxPopCurrent(&context);
  if (result != CUDA_SUCCESS) return std::nullopt;
  return device;
}

}  // namespace

void check_stream_value(StreamView stream) {
  if (stream.is_default())
    refuse(stream, "it is null, the default stream, which synchronizes with all blocking streams", kMakeAStream);
  if (stream.handle() == CU_STREAM_LEGACY)
    refuse(stream, "it is the reserved handle of the legacy default stream", kMakeAStream);
  if (stream.handle() == CU_STREAM_PER_THREAD) {
    refuse(stream, "it is the reserved handle of the per-thread default stream, another one in every thread",
           kMakeAStream);
  }
  if (const auto lane = closed_lane_of(stream))
    refuse(stream, "its lane '" + *lane + "' was closed", "use a lane that is open");
}

void check_stream(const driver::Table& driver, StreamView stream, CUdevice device) {
  // The capture is queried first: any other query of a capturing stream is an error and ends the capture.
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (const CUresult result = driver.cuStreamIsCapturing(stream.handle(), &status); result != CUDA_SUCCESS) {
    refuse(stream, "CUDA does not know it: cuStreamIsCapturing gave " + describe(driver, result),
           "pass a stream that lives for as long as it is bound");
  }
  if (status != CU_STREAM_CAPTURE_STATUS_NONE) {
    refuse(stream, "a graph is being captured on it", "end the capture first");
  }
  if (const auto actual = device_of(driver, stream)) {
    if (*actual != device) {
      refuse(stream,
             "it is a stream of cuda:" + std::to_string(*actual) +
                 ", and this needs one of cuda:" + std::to_string(device),
             "make the stream on cuda:" + std::to_string(device));
    }
  } else {
    warn("the device of stream " + to_string(stream) +
         " could not be checked (this driver has no cuStreamGetDevice): make sure that it is cuda:" +
         std::to_string(device));
  }
}

}  // namespace greenlane::detail

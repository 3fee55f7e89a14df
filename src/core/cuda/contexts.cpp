#include "core/cuda/contexts.hpp"

#include "driver/table.hpp"

namespace greenlane::detail {

std::optional<StreamContext> context_of(StreamView stream) {
  const auto* driver = driver::find();
  if (!driver) return std::nullopt;
  StreamContext found;
  // Any other query of a stream would end a capture on it.
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (driver->cuStreamIsCapturing(stream.handle(), &status) != CUDA_SUCCESS || status != CU_STREAM_CAPTURE_STATUS_NONE)
    return std::nullopt;
  if (driver->cuStreamGetDevice) driver->cuStreamGetDevice(stream.handle(), &found.device);
  CUgreenCtx green = nullptr;
  if (driver->cuStreamGetGreenCtx && driver->cuCtxFromGreenCtx &&
      driver->cuStreamGetGreenCtx(stream.handle(), &green) == CUDA_SUCCESS && green) {
    if (driver->cuCtxFromGreenCtx(&found.context, green) != CUDA_SUCCESS) return std::nullopt;
    found.is_green = true;
    CUdevResource resource{};
    if (driver->cuGreenCtxGetDevResource &&
        driver->cuGreenCtxGetDevResource(green, &resource, CU_DEV_RESOURCE_TYPE_SM) == CUDA_SUCCESS)
      found.units = {static_cast<int>(resource.sm.smCount)};
    return found;
  }
  if (driver->cuStreamGetCtx(stream.handle(), &found.context) != CUDA_SUCCESS) return std::nullopt;
  return found;
}

std::optional<CUcontext> primary_context_of(int device) {
  const auto* driver = driver::find();
  CUcontext context = nullptr;
  if (!driver || driver->cuDevicePrimaryCtxRetain(&context, device) != CUDA_SUCCESS) return std::nullopt;
  driver->cuDevicePrimaryCtxRelease(device);
  return context;
}

}  // namespace greenlane::detail

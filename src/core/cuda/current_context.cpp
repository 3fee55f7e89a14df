#include "core/device_state.hpp"
#include "driver/table.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/access.hpp>
#include <greenlane/detail/core/current_context.hpp>

namespace greenlane {

CurrentContext::CurrentContext() noexcept {
  const auto* driver = driver::find();
  CUcontext current = nullptr;
  if (!driver || driver->cuCtxGetCurrent(&current) != CUDA_SUCCESS) return;
  former_ = current;
  is_known_ = true;
}

CurrentContext::CurrentContext(const Device& device) : CurrentContext() {
  if (!is_known_) return;
  auto* const primary = detail::Access::state(device)->native_context();
  if (!primary || primary == former_) return;
  if (const CUresult result = driver::find()->cuCtxPushCurrent(static_cast<CUcontext>(primary)); result != CUDA_SUCCESS)
    throw DriverError({.what = "the context of " + to_string(device.id()) + " could not be made current",
                       .why = "cuCtxPushCurrent gave error " + std::to_string(result),
                       .remedy = "try again; if it fails again, check the GPU with `nvidia-smi`"},
                      static_cast<int>(result));
  pushed_ = true;
}

CurrentContext::~CurrentContext() {
  const auto* driver = driver::find();
  if (!driver || !is_known_) return;
  CUcontext current = nullptr;
  if (pushed_) driver->cuCtxPopCurrent(&current);
  current = nullptr;
  if (driver->cuCtxGetCurrent(&current) != CUDA_SUCCESS || current == former_) return;
  driver->cuCtxSetCurrent(static_cast<CUcontext>(former_));
}

}  // namespace greenlane

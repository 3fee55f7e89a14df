#include "core/cuda/primary_context.hpp"

#include "core/cuda/driver_check.hpp"
#include "core/cuda/hardware_queues.hpp"

namespace greenlane::detail {

PrimaryContext::PrimaryContext(const driver::Table& driver, CUdevice device) : driver_(driver), device_(device) {
  note_hardware_queues(device);  // this makes the context, unless it exists
  check(driver, driver.cuDevicePrimaryCtxRetain(&context_, device), "cuDevicePrimaryCtxRetain",
        "the context of cuda:" + std::to_string(device) + " could not be opened");
}

PrimaryContext::~PrimaryContext() { driver_.cuDevicePrimaryCtxRelease(device_); }

ContextScope::ContextScope(const PrimaryContext& context) : driver_(context.driver()) {
  CUcontext current = nullptr;
  check(driver_, driver_.cuCtxGetCurrent(&current), "cuCtxGetCurrent", "the current context could not be read");
  if (current == context.handle()) return;
  check(driver_, driver_.cuCtxPushCurrent(context.handle()), "cuCtxPushCurrent",
        "the context could not be made current");
  pushed_ = true;
}

ContextScope::~ContextScope() {
  // A failure cannot be reported; the thread then keeps this GPU's primary context as the current one.
  CUcontext popped = nullptr;
  if (pushed_) driver_.cuCtxPopCurrent(&popped);
}

}  // namespace greenlane::detail

// Primary contexts, and each thread's current context.
#include "support/fake_driver_calls.hpp"

#include <algorithm>

namespace greenlane::fake {
namespace {

bool holds_something(const State& state, int device) {
  const auto here = [&](const auto& entry) { return entry.second.device == device; };
  const auto ours = [&](const auto& entry) { return here(entry) && !entry.second.is_application; };
  return std::ranges::any_of(state.greens, ours) || std::ranges::any_of(state.events, here) ||
         std::ranges::any_of(state.streams, ours);
}

}  // namespace

CUresult fake_cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", [&](State& s) {
    if (!gpu_of(s, device)) return s.violate("a context of an unknown device retained", CUDA_ERROR_INVALID_DEVICE);
    ++s.retains[device];
    return *context = context_of(device), CUDA_SUCCESS;
  });
}

CUresult fake_cuDevicePrimaryCtxRelease(CUdevice device) {
  const auto release = [&](State& s) {
    if (s.retains[device] <= 0) return s.violate("a context released that is not held", CUDA_ERROR_INVALID_CONTEXT);
    if (--s.retains[device] == 0 && holds_something(s, device))
      s.violate("a context released before what is in it", CUDA_SUCCESS);
    return CUDA_SUCCESS;
  };
  return call("cuDevicePrimaryCtxRelease", release, Effect::release);
}

CUresult fake_cuDevicePrimaryCtxGetState(CUdevice device, unsigned int* flags, int* active) {
  return call("cuDevicePrimaryCtxGetState", [&](State& s) {
    if (!gpu_of(s, device)) return s.violate("the context of an unknown device asked for", CUDA_ERROR_INVALID_DEVICE);
    return *flags = 0, *active = s.context_exists(device) ? 1 : 0, CUDA_SUCCESS;
  });
}

CUresult fake_cuCtxPushCurrent(CUcontext context) {
  return call("cuCtxPushCurrent", [&](State& s) {
    if (!gpu_of(s, s.device_of(context)) || !s.context_exists(s.device_of(context))) {
      return s.violate("an unknown context made current", CUDA_ERROR_INVALID_CONTEXT);
    }
    return s.current[std::this_thread::get_id()].push_back(context), CUDA_SUCCESS;
  });
}

CUresult fake_cuCtxPopCurrent(CUcontext* context) {
  const auto pop = [&](State& s) {
    auto& stack = s.current[std::this_thread::get_id()];
    if (stack.empty()) return s.violate("a context popped where none is current", CUDA_ERROR_INVALID_CONTEXT);
    *context = stack.back();
    return stack.pop_back(), CUDA_SUCCESS;
  };
  return call("cuCtxPopCurrent", pop, Effect::release);
}

CUresult fake_cuCtxGetCurrent(CUcontext* context) {
  return call("cuCtxGetCurrent", [&](State& s) {
    const auto& stack = s.current[std::this_thread::get_id()];
    return *context = stack.empty() ? nullptr : stack.back(), CUDA_SUCCESS;
  });
}

// Replaces the context on top, as the driver does. Null takes that one away.
CUresult fake_cuCtxSetCurrent(CUcontext context) {
  const auto set = [&](State& s) {
    auto& stack = s.current[std::this_thread::get_id()];
    if (!stack.empty()) stack.pop_back();
    if (context) stack.push_back(context);
    return CUDA_SUCCESS;
  };
  return call("cuCtxSetCurrent", set, Effect::release);
}

CUresult fake_cuCtxGetDevice(CUdevice* device) {
  return call("cuCtxGetDevice", [&](State& s) {
    if (s.current_device() < 0) return s.violate("cuCtxGetDevice without a context", CUDA_ERROR_INVALID_CONTEXT);
    return *device = s.current_device(), CUDA_SUCCESS;
  });
}

CUresult fake_cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return call("cuCtxGetStreamPriorityRange", [&](State&) { return *least = 0, *greatest = -5, CUDA_SUCCESS; });
}

}  // namespace greenlane::fake

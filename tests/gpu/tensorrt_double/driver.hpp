// The functions of the CUDA driver that the double calls. They are found at run time, so that the double loads without
// a driver.
#pragma once

#include <cuda.h>

namespace tensorrt_double {

// The names of libcuda's symbols differ from those of the functions.
#define TENSORRT_DOUBLE_DRIVER(ENTRY)                       \
  ENTRY(cuGetErrorName, cuGetErrorName)                     \
  ENTRY(cuInit, cuInit)                                     \
  ENTRY(cuCtxGetCurrent, cuCtxGetCurrent)                   \
  ENTRY(cuCtxSetCurrent, cuCtxSetCurrent)                   \
  ENTRY(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain) \
  ENTRY(cuModuleLoadData, cuModuleLoadData)                 \
  ENTRY(cuModuleGetFunction, cuModuleGetFunction)           \
  ENTRY(cuLaunchKernel, cuLaunchKernel)                     \
  ENTRY(cuMemAlloc, cuMemAlloc_v2)                          \
  ENTRY(cuMemFree, cuMemFree_v2)                            \
  ENTRY(cuMemcpyHtoD, cuMemcpyHtoD_v2)                      \
  ENTRY(cuMemsetD32Async, cuMemsetD32Async)                 \
  ENTRY(cuStreamIsCapturing, cuStreamIsCapturing)           \
  ENTRY(cuStreamCreate, cuStreamCreate)                     \
  ENTRY(cuStreamDestroy, cuStreamDestroy_v2)                \
  ENTRY(cuStreamWaitEvent, cuStreamWaitEvent)               \
  ENTRY(cuEventCreate, cuEventCreate)                       \
  ENTRY(cuEventRecord, cuEventRecord)                       \
  ENTRY(cuEventDestroy, cuEventDestroy_v2)

struct Driver {
#define TENSORRT_DOUBLE_MEMBER(member, symbol) decltype(&::symbol) member;
  TENSORRT_DOUBLE_DRIVER(TENSORRT_DOUBLE_MEMBER)
#undef TENSORRT_DOUBLE_MEMBER
};

// Returns the driver's functions. Ends the process if there is no driver.
[[nodiscard]] const Driver& driver();

// Ends the process with the name of the call if it failed.
void check(CUresult result, const char* call);

// Returns the current context as the CUDA runtime sees it. In a thread without one, makes the first device's context
// current.
[[nodiscard]] CUcontext current_context();

}  // namespace tensorrt_double

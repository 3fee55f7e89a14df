// The functions of the CUDA driver that the double calls. Found at run time, so that it loads where there is none.
#pragma once

#include <cuda.h>

namespace tensorrt_double {

// The names are those of libcuda's symbols, which are not those of the functions.
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

// Ends the process where there is no driver.
[[nodiscard]] const Driver& driver();

// Ends the process, naming the call, where it failed.
void check(CUresult result, const char* call);

// The context that is current, as the CUDA runtime sees it: in a thread that has none, the first device's becomes so.
[[nodiscard]] CUcontext current_context();

}  // namespace tensorrt_double

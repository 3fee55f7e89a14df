// The one table of CUDA driver entry points.
//
// libcuda.so.1 is opened at run time, and every function is looked up by cuGetProcAddress, so greenlane builds, loads
// and runs without an installed driver. Nothing else in the project calls the driver. Tests replace the table by their
// own.
//
// Thread safety: every function here may be called from any thread.
#pragma once

#include "driver/scoped_table.hpp"

#include <cudaTypedefs.h>

#include <string>

// X(name, version): the function, and the CUDA version in which the form used here appeared. The version selects the
// type (PFN_<name>_v<version>) and the form that cuGetProcAddress returns, so a newer driver never returns another form
// than the one that is called.
#define GREENLANE_DRIVER_REQUIRED(X)          \
  X(cuInit, 2000)                             \
  X(cuDriverGetVersion, 2020)                 \
  X(cuGetErrorName, 6000)                     \
  X(cuGetErrorString, 6000)                   \
  X(cuDeviceGetCount, 2000)                   \
  X(cuDeviceGet, 2000)                        \
  X(cuDeviceGetName, 2000)                    \
  X(cuDeviceGetAttribute, 2000)               \
  X(cuDeviceTotalMem, 3020)                   \
  X(cuDevicePrimaryCtxRetain, 7000)           \
  X(cuDevicePrimaryCtxRelease, 11000)         \
  X(cuDevicePrimaryCtxGetState, 7000)         \
  X(cuCtxPushCurrent, 4000)                   \
  X(cuCtxPopCurrent, 4000)                    \
  X(cuCtxGetCurrent, 4000)                    \
  X(cuCtxSetCurrent, 4000)                    \
  X(cuCtxGetDevice, 2000)                     \
  X(cuCtxGetStreamPriorityRange, 5050)        \
  X(cuStreamCreateWithPriority, 5050)         \
  X(cuStreamDestroy, 4000)                    \
  X(cuStreamSynchronize, 2000)                \
  X(cuStreamWaitEvent, 3020)                  \
  X(cuStreamIsCapturing, 10000)               \
  X(cuStreamGetCtx, 9020)                     \
  X(cuStreamBeginCapture, 10010)              \
  X(cuStreamEndCapture, 10000)                \
  X(cuStreamGetCaptureInfo, 11030)            \
  X(cuThreadExchangeStreamCaptureMode, 10010) \
  X(cuEventCreate, 2000)                      \
  X(cuEventRecord, 2000)                      \
  X(cuEventQuery, 2000)                       \
  X(cuEventElapsedTime, 2000)                 \
  X(cuEventDestroy, 4000)                     \
  X(cuUserObjectCreate, 11030)                \
  X(cuUserObjectRelease, 11030)               \
  X(cuGraphRetainUserObject, 11030)           \
  X(cuGraphInstantiateWithFlags, 11040)       \
  X(cuGraphLaunch, 10000)                     \
  X(cuGraphDestroy, 10000)                    \
  X(cuGraphExecDestroy, 10000)                \
  X(cuGraphGetNodes, 10000)                   \
  X(cuGraphNodeGetType, 10000)                \
  X(cuGraphClone, 10000)                      \
  X(cuGraphNodeFindInClone, 10000)            \
  X(cuGraphDestroyNode, 10000)

// Functions of newer drivers: null in the table if the driver lacks them. Users check before they call.
#define GREENLANE_DRIVER_OPTIONAL(X)      \
  X(cuDeviceGetDevResource, 12040)        \
  X(cuDevSmResourceSplitByCount, 12040)   \
  X(cuDevResourceGenerateDesc, 12040)     \
  X(cuGreenCtxCreate, 12040)              \
  X(cuGreenCtxDestroy, 12040)             \
  X(cuGreenCtxStreamCreate, 12050)        \
  X(cuGreenCtxGetDevResource, 12040)      \
  X(cuGreenCtxGetId, 12090)               \
  X(cuStreamGetGreenCtx, 12040)           \
  X(cuCtxFromGreenCtx, 12040)             \
  X(cuGraphGetEdges, 12030)               \
  X(cuGraphKernelNodeGetParams, 12000)    \
  X(cuGraphKernelNodeSetParams, 12000)    \
  X(cuGraphKernelNodeGetAttribute, 11000) \
  X(cuGraphMemsetNodeGetParams, 10000)    \
  X(cuGraphMemcpyNodeGetParams, 10000)    \
  X(cuGraphNodeSetParams, 12020)          \
  X(cuGraphChildGraphNodeGetGraph, 10000) \
  X(cuLibraryLoadData, 12000)             \
  X(cuLibraryUnload, 12000)               \
  X(cuLibraryGetKernel, 12000)            \
  X(cuKernelGetName, 12030)               \
  X(cuFuncGetName, 12030)                 \
  X(cuFuncGetAttribute, 2020)             \
  X(cuFuncGetParamInfo, 12040)            \
  X(cuKernelGetAttribute, 12000)          \
  X(cuKernelSetAttribute, 12000)          \
  X(cuKernelGetParamInfo, 12040)          \
  X(cuStreamGetDevice, 12080)

// Memory and work functions, which greenlane leaves to its engines: for programs in bench/ without an engine. Null if
// the driver lacks them, and in the tables of tests.
#define GREENLANE_DRIVER_WORK(X) \
  X(cuMemAlloc, 3020)            \
  X(cuMemFree, 3020)             \
  X(cuMemsetD32, 3020)           \
  X(cuMemcpyDtoH, 3020)          \
  X(cuModuleLoadData, 2000)      \
  X(cuModuleUnload, 2000)        \
  X(cuModuleGetFunction, 2000)   \
  X(cuLaunchKernel, 4000)        \
  X(cuLaunchHostFunc, 10000)

namespace greenlane::driver {

struct Table {
#define GREENLANE_DRIVER_MEMBER(name, version) PFN_##name##_v##version name = nullptr;
  GREENLANE_DRIVER_REQUIRED(GREENLANE_DRIVER_MEMBER)
  GREENLANE_DRIVER_OPTIONAL(GREENLANE_DRIVER_MEMBER)
  GREENLANE_DRIVER_WORK(GREENLANE_DRIVER_MEMBER)
#undef GREENLANE_DRIVER_MEMBER

  // Returns true if this driver can divide a device (CUDA 12.5 and newer).
  [[nodiscard]] bool has_green_contexts() const noexcept {
    return cuDeviceGetDevResource && cuDevSmResourceSplitByCount && cuDevResourceGenerateDesc && cuGreenCtxCreate &&
           cuGreenCtxDestroy && cuGreenCtxStreamCreate;
  }
  // Returns true if this driver can move the nodes of a graph to another context (CUDA 12.4 and newer).
  [[nodiscard]] bool can_move_graphs() const noexcept {
    return cuCtxFromGreenCtx && cuGraphKernelNodeGetParams && cuGraphKernelNodeSetParams &&
           cuGraphKernelNodeGetAttribute && cuGraphMemsetNodeGetParams && cuGraphMemcpyNodeGetParams &&
           cuGraphNodeSetParams && cuGraphChildGraphNodeGetGraph && cuLibraryLoadData && cuLibraryUnload &&
           cuLibraryGetKernel && cuFuncGetName && cuFuncGetAttribute && cuFuncGetParamInfo && cuKernelGetAttribute &&
           cuKernelSetAttribute && cuKernelGetParamInfo;
  }
};

// find() returns the table in force: the driver's own, initialised with cuInit, or the table of a test. Null if there
// is no usable driver, and in a process that was forked after CUDA was started; unavailable_reason() then gives the
// reason.
[[nodiscard]] const Table* find() noexcept;
[[nodiscard]] const std::string& unavailable_reason() noexcept;

// Returns true if the driver's library can be loaded. Does not start CUDA.
[[nodiscard]] bool is_installed() noexcept;

// Returns true if this process was forked from one that had started CUDA. The driver does not work there, and calls of
// it may hang. The functions of the former table, which streams and other objects still have, therefore return
// CUDA_ERROR_NOT_INITIALIZED and do nothing.
[[nodiscard]] bool is_lost_in_fork() noexcept;

// Makes every function of a table return CUDA_ERROR_NOT_INITIALIZED and do nothing.
void disable(Table& table) noexcept;

// A test's table, in force while the object lives.
using ScopedTable = ScopedTableOf<Table>;

}  // namespace greenlane::driver

// A GPU for whole processes on machines without one, by LD_PRELOAD: the fake driver behind libcuda.so.1's one entry
// point, and the parts of CUDA's runtime that PyTorch needs for streams, events and guards. Nothing computes: memory
// and kernels on this GPU do not exist.
#include "support/fake_driver.hpp"

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

using greenlane::driver::Table;
using greenlane::fake::FakeDriver;

constexpr int kGpus = 2;
thread_local int current = 0;

// Returns the driver. It is never destroyed, because streams in static storage outlive main().
FakeDriver& fake() {
  static auto* const driver = new FakeDriver({.gpus = std::vector<greenlane::fake::Gpu>(kGpus)});
  return *driver;
}

// Returns every function of the table by its name.
const std::map<std::string, void*>& functions() {
  static const auto* const all = [] {
    const Table& table = fake().table();
    auto* entries = new std::map<std::string, void*>;
#define GREENLANE_FAKE_EXPORT(name, version) (*entries)[#name] = reinterpret_cast<void*>(table.name);
    GREENLANE_DRIVER_REQUIRED(GREENLANE_FAKE_EXPORT)
    GREENLANE_DRIVER_OPTIONAL(GREENLANE_FAKE_EXPORT)
#undef GREENLANE_FAKE_EXPORT
    return entries;
  }();
  return *all;
}

CUresult unsupported() { return CUDA_ERROR_NOT_SUPPORTED; }

}  // namespace

extern "C" {

// The driver

#undef cuGetProcAddress
CUresult cuGetProcAddress(const char* name, void** address, int /*version*/, cuuint64_t /*flags*/) {
  const auto found = functions().find(name);
  *address = found == functions().end() ? nullptr : found->second;
  return *address ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
// PyTorch looks up this function by itself.
CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int* flags, int* active) {
  return fake().table().cuDevicePrimaryCtxGetState(device, flags, active);
}

// The runtime: devices

cudaError_t cudaGetDeviceCount(int* count) { return *count = kGpus, cudaSuccess; }
// Returns the device of the current context if there is one, as CUDA's runtime does.
cudaError_t cudaGetDevice(int* device) {
  const Table& driver = fake().table();
  CUcontext context = nullptr;
  driver.cuCtxGetCurrent(&context);
  *device = current;
  if (context) driver.cuCtxGetDevice(device);
  return cudaSuccess;
}
// Makes the device's primary context current, as CUDA's runtime does.
cudaError_t cudaSetDevice(int device) {
  static std::array<CUcontext, kGpus> primary{};
  static std::mutex mutex;
  if (device < 0 || device >= kGpus) return cudaErrorInvalidDevice;
  const Table& driver = fake().table();
  const std::scoped_lock lock(mutex);
  auto& context = primary.at(static_cast<std::size_t>(device));
  if (!context) driver.cuDevicePrimaryCtxRetain(&context, device);
  driver.cuCtxSetCurrent(context);
  current = device;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDA_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDA_VERSION, cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
cudaError_t cudaFree(void* /*memory*/) { return cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int /*device*/) {
  *properties = {};
  std::strcpy(properties->name, "Fake H200");
  properties->major = 9;
  properties->multiProcessorCount = 132;
  properties->warpSize = 32;
  properties->totalGlobalMem = std::size_t{139} << 30;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr /*attribute*/, int /*device*/) {
  return *value = 0, cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int /*device*/, int /*peer*/) { return *can = 0, cudaSuccess; }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{139} << 30;
  return cudaSuccess;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned int /*version*/,
                                             unsigned long long /*flags*/, cudaDriverEntryPointQueryResult* status) {
  const auto found = functions().find(name);
  *function = found == functions().end() ? reinterpret_cast<void*>(&unsupported) : found->second;
  if (status) *status = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  auto driver_mode = static_cast<CUstreamCaptureMode>(*mode);
  const auto found = functions().find("cuThreadExchangeStreamCaptureMode");
  if (reinterpret_cast<decltype(&cuThreadExchangeStreamCaptureMode)>(found->second)(&driver_mode) != CUDA_SUCCESS)
    return cudaErrorUnknown;
  *mode = static_cast<cudaStreamCaptureMode>(driver_mode);
  return cudaSuccess;
}

// The runtime: streams. For the driver that greenlane sees, they belong to the application.

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int /*flags*/, int /*priority*/) {
  return *stream = fake().make_stream(current).handle(), cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamQuery(cudaStream_t /*stream*/) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t /*stream*/) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t /*stream*/, cudaEvent_t /*event*/, unsigned int /*flags*/) {
  return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t /*stream*/, int* priority) { return *priority = 0, cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t /*stream*/) { return cudaSuccess; }
#if CUDART_VERSION >= 13000  // before CUDA 13 it has another form
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t /*stream*/, cudaStreamCaptureStatus* status,
                                     unsigned long long* /*id*/, cudaGraph_t* /*graph*/,
                                     const cudaGraphNode_t** /*dependencies*/, const cudaGraphEdgeData** /*edges*/,
                                     std::size_t* /*count*/) {
  return *status = cudaStreamCaptureStatusNone, cudaSuccess;
}
#endif
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_NONE;
  if (stream) fake().table().cuStreamIsCapturing(stream, &found);
  return *status = static_cast<cudaStreamCaptureStatus>(found), cudaSuccess;
}

// The runtime: events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int /*flags*/) {
  static std::atomic<std::uintptr_t> next{0x900000};
  return *event = reinterpret_cast<cudaEvent_t>(next += 0x10), cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t /*event*/, cudaStream_t /*stream*/, unsigned int /*flags*/) {
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t /*event*/) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t /*event*/, cudaStream_t /*stream*/) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t /*event*/) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t /*event*/) { return cudaSuccess; }

}  // extern "C"

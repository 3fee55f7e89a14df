// Errors and devices.
#include "support/fake_driver_calls.hpp"

#include <cstring>

namespace greenlane::fake {

CUresult fake_cuInit(unsigned int) {
  return call("cuInit", [](State&) { return CUDA_SUCCESS; });
}

CUresult fake_cuDriverGetVersion(int* version) {
  return call("cuDriverGetVersion", [&](State& s) { return *version = s.config.driver_version, CUDA_SUCCESS; });
}

CUresult fake_cuGetErrorName(CUresult result, const char** name) {
  return call("cuGetErrorName", [&](State&) {
    switch (result) {
      case CUDA_ERROR_UNKNOWN:
        *name = "CUDA_ERROR_UNKNOWN";
        return CUDA_SUCCESS;
      case CUDA_ERROR_INVALID_HANDLE:
        *name = "CUDA_ERROR_INVALID_HANDLE";
        return CUDA_SUCCESS;
      case CUDA_ERROR_INVALID_DEVICE:
        *name = "CUDA_ERROR_INVALID_DEVICE";
        return CUDA_SUCCESS;
      case CUDA_ERROR_INVALID_VALUE:
        *name = "CUDA_ERROR_INVALID_VALUE";
        return CUDA_SUCCESS;
      default:
        *name = nullptr;
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

CUresult fake_cuGetErrorString(CUresult, const char** text) {
  return call("cuGetErrorString", [&](State&) { return *text = "as the fake driver says", CUDA_SUCCESS; });
}

CUresult fake_cuDeviceGetCount(int* count) {
  return call("cuDeviceGetCount",
              [&](State& s) { return *count = static_cast<int>(s.config.gpus.size()), CUDA_SUCCESS; });
}

CUresult fake_cuDeviceGet(CUdevice* device, int index) {
  return call("cuDeviceGet", [&](State& s) {
    if (!gpu_of(s, index)) return CUDA_ERROR_INVALID_DEVICE;
    return *device = index, CUDA_SUCCESS;
  });
}

CUresult fake_cuDeviceGetName(char* name, int length, CUdevice device) {
  return call("cuDeviceGetName", [&](State& s) {
    const Gpu* found = gpu_of(s, device);
    if (!found) return s.violate("cuDeviceGetName of an unknown device", CUDA_ERROR_INVALID_DEVICE);
    if (found->fell_off_the_bus) return CUDA_ERROR_UNKNOWN;
    std::strncpy(name, found->name.c_str(), static_cast<std::size_t>(length));
    return CUDA_SUCCESS;
  });
}

CUresult fake_cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice device) {
  return call("cuDeviceGetAttribute", [&](State& s) {
    const Gpu* found = gpu_of(s, device);
    if (!found) return s.violate("cuDeviceGetAttribute of an unknown device", CUDA_ERROR_INVALID_DEVICE);
    switch (which) {
      case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
        *value = found->sms;
        return CUDA_SUCCESS;
      case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
        *value = found->compute_capability / 10;
        return CUDA_SUCCESS;
      case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
        *value = found->compute_capability % 10;
        return CUDA_SUCCESS;
      default:
        return s.violate("an attribute that the fake does not know", CUDA_ERROR_INVALID_VALUE);
    }
  });
}

CUresult fake_cuDeviceTotalMem(std::size_t* bytes, CUdevice device) {
  return call("cuDeviceTotalMem", [&](State& s) { return *bytes = gpu_of(s, device)->memory_bytes, CUDA_SUCCESS; });
}

}  // namespace greenlane::fake

#include "runtime/memory_use.hpp"

#include <greenlane/torch/tensor_io.hpp>

#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace greenlane::runtime {

std::uint64_t host_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

MemoryUse memory_use(DeviceId device) {
  return {.host_bytes = host_bytes(), .allocator_bytes = allocator_bytes(device)};
}

}  // namespace greenlane::runtime

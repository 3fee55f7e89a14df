// The memory that this process uses.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <cstdint>

namespace greenlane::runtime {

// Returns the resident memory of the process.
[[nodiscard]] std::uint64_t host_bytes();
[[nodiscard]] MemoryUse memory_use(DeviceId device);

}  // namespace greenlane::runtime

// The one kernel that engines of the double launch.
#pragma once

#include "driver.hpp"

#include <cstdint>

namespace tensorrt_double {

// What it gets; the members are its parameters, in their order.
struct KernelArguments {
  CUdeviceptr where;    // int32 for every block: its SM
  CUdeviceptr twice;    // float32[elements]
  CUdeviceptr input;    // float32[elements]
  CUdeviceptr scratch;  // int32: read before the hold, one more is written after it
  CUdeviceptr count;    // int32: what was written there; may be null
  std::uint64_t elements;
  std::uint64_t hold;   // nanoseconds
  std::uint32_t first;  // number of the first block of this launch
  std::uint32_t step;   // what is between the numbers of two blocks
  std::uint32_t all;    // blocks in all launches of the call
};

// Of the context that is current. Compiled for each context once; not while a stream is captured.
[[nodiscard]] CUfunction kernel();

void launch(CUfunction function, CUstream stream, std::uint32_t blocks, KernelArguments arguments);

}  // namespace tensorrt_double

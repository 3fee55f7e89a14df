// The one kernel of the double's engines.
#pragma once

#include "driver.hpp"

#include <cstdint>

namespace tensorrt_double {

// The arguments of the kernel. The members are its parameters, in their order.
struct KernelArguments {
  CUdeviceptr where;    // int32 for every block: its SM
  CUdeviceptr twice;    // float32[elements]
  CUdeviceptr input;    // float32[elements]
  CUdeviceptr scratch;  // int32: read before the hold; after it, one more is written
  CUdeviceptr count;    // int32: a copy of that new value; may be null
  std::uint64_t elements;
  CUdeviceptr limit;    // uint32: at most so many elements
  std::uint64_t hold;   // nanoseconds
  std::uint32_t first;  // number of the first block of this launch
  std::uint32_t step;   // the distance between the numbers of two blocks
  std::uint32_t all;    // blocks in all launches of the call
};

// Returns the kernel for the current context. It is compiled once for each context, and never while a stream is
// captured.
[[nodiscard]] CUfunction kernel();

void launch(CUfunction function, CUstream stream, std::uint32_t blocks, KernelArguments arguments);

}  // namespace tensorrt_double

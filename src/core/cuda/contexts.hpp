// The contexts behind streams, for who reads what CUPTI recorded: its kernels carry the numbers of contexts.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>

#include <cuda.h>

#include <optional>

namespace greenlane::detail {

struct StreamContext {
  CUcontext context = nullptr;
  bool is_green = false;
  Units units;  // of a green one; 0 where the driver does not say
  int device = 0;
};
// Of a stream that exists, and is not a reserved handle. Nothing where the driver does not tell, or while a graph is
// captured on it.
[[nodiscard]] std::optional<StreamContext> context_of(StreamView stream);

// The undivided one of a device, which somebody uses; nothing where there is no driver.
[[nodiscard]] std::optional<CUcontext> primary_context_of(int device);

}  // namespace greenlane::detail

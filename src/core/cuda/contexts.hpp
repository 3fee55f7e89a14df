// The contexts of streams, for readers of CUPTI's records, whose kernels carry context numbers.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>

#include <cuda.h>

#include <optional>

namespace greenlane::detail {

struct StreamContext {
  CUcontext context = nullptr;
  bool is_green = false;
  Units units;  // of a green context; 0 if the driver does not report it
  int device = 0;
};
// Returns the context of an existing stream that is not a reserved handle. Nothing if the driver does not report it, or
// while a graph is captured on the stream.
[[nodiscard]] std::optional<StreamContext> context_of(StreamView stream);

// Returns the primary context of a device, which must be in use; nothing if there is no driver.
[[nodiscard]] std::optional<CUcontext> primary_context_of(int device);

}  // namespace greenlane::detail

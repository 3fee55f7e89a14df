// The differences between versions of PyTorch, found from its own declarations. All such tests are in this file.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace greenlane::detail {

// Returns the objects of custom classes inside a package, which share ownership with the objects that its model uses.
// Absent if this version of PyTorch has no access to them (before 2.13).
template <typename Loader>
std::optional<std::unordered_map<std::string, c10::IValue>> custom_objects(const Loader& loader) {
  if constexpr (requires { loader.get_custom_objs(); }) {
    return loader.get_custom_objs();
  } else {
    return std::nullopt;
  }
}

// Tell the allocator that a capture has begun or ended, if it has such functions (PyTorch 2.14 and newer).
template <typename Allocator>
void mark_capture_begin(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureBegin(device); }) allocator.markCaptureBegin(device);
}
template <typename Allocator>
void mark_capture_end(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureEnd(device); }) allocator.markCaptureEnd(device);
}

// Returns whether PyTorch has a process-wide setting for the number of SMs that libraries of matrix products leave
// alone.
template <typename Context>
constexpr bool has_sm_carveout() {
  return requires(Context& context) { context._setSMCarveout_EXPERIMENTAL(std::optional<std::int32_t>()); };
}

}  // namespace greenlane::detail

// What differs between versions of PyTorch, asked of its own declarations. The only place of its kind.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace greenlane::detail {

// The objects of custom classes inside a package, which share ownership with those that its model uses; nothing where
// this PyTorch does not give them out (before 2.13).
template <typename Loader>
std::optional<std::unordered_map<std::string, c10::IValue>> custom_objects(const Loader& loader) {
  if constexpr (requires { loader.get_custom_objs(); }) {
    return loader.get_custom_objs();
  } else {
    return std::nullopt;
  }
}

// Tells the allocator that a capture has begun and ended, where it wants to know (from 2.14 on).
template <typename Allocator>
void mark_capture_begin(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureBegin(device); }) allocator.markCaptureBegin(device);
}
template <typename Allocator>
void mark_capture_end(Allocator& allocator, c10::DeviceIndex device) {
  if constexpr (requires { allocator.markCaptureEnd(device); }) allocator.markCaptureEnd(device);
}

// How many SMs the libraries of matrix products are told to leave alone, for the whole process; false where this
// PyTorch has no such setting.
template <typename Context>
constexpr bool has_sm_carveout() {
  return requires(Context& context) { context._setSMCarveout_EXPERIMENTAL(std::optional<std::int32_t>()); };
}

}  // namespace greenlane::detail

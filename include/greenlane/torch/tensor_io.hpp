// Tensors in files, and shared libraries of custom operators.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace greenlane {

// Reads a list (or tuple) of tensors that torch.save wrote; no code in the file is run. Throws ConfigError.
[[nodiscard]] std::vector<at::Tensor> load_tensors(const std::string& path);

// The same tensors on another device (copies where they are elsewhere). Blocks until they are there.
[[nodiscard]] std::vector<at::Tensor> to_device(const std::vector<at::Tensor>& tensors, DeviceId device);

// Loads a shared library for its operators and classes, as torch.ops.load_library does. Native code: load what you
// trust. Throws ConfigError.
void load_operator_library(const std::string& path);

// How `actual` differs from `expected`: empty where they are equal within the accuracy of the dtype (relative and
// absolute tolerance 2e-2 for 16-bit floats, 1e-3 for others, none for integers).
[[nodiscard]] std::string difference(const std::vector<at::Tensor>& actual, const std::vector<at::Tensor>& expected);

// Gives the memory that PyTorch's caching allocator holds and nobody uses back to the device.
void release_unused_memory(DeviceId device);

// Bytes that PyTorch's caching allocator holds on the device; 0 on the CPU.
[[nodiscard]] std::uint64_t allocator_bytes(DeviceId device);

}  // namespace greenlane

// Tensors in files, and shared libraries of custom operators.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace greenlane {

/// Reads a list (or tuple) of tensors of any dtype that torch.save wrote. No code in the file is run. A bare tensor and
/// a dict are refused.
/// Throws: ConfigError.
[[nodiscard]] std::vector<at::Tensor> load_tensors(const std::string& path);

/// Returns the same tensors on another device, copied if necessary. Blocks until they are there.
[[nodiscard]] std::vector<at::Tensor> to_device(const std::vector<at::Tensor>& tensors, DeviceId device);

/// Loads a shared library for its operators and classes, as torch.ops.load_library does. It is native code: load only
/// libraries that you trust.
/// Throws: ConfigError.
void load_operator_library(const std::string& path);

/// Returns the difference between `actual` and `expected`; empty if there is none. The rule, element by element:
///   - Integers and bools are equal.
///   - A float is off by at most t * (its expected magnitude + the scale of the tensor). The scale is the median of the
///     expected magnitudes that are finite and not 0. If there are none, it is off by at most 1e-6.
///     t: 1e-3; 2e-2 for 16-bit floats; 0.13 for float8_e4m3*, 0.26 for float8_e5m2*, 0 for float8_e8m0fnu.
///   - NaN equals NaN, and infinities of one sign are equal.
///   - Complex numbers are pairs of floats. Dtypes that PyTorch cannot convert are compared by their bytes.
///
/// The number of outputs, shapes, dtypes and layouts must be the same. Strides may differ. Blocks until `actual` is
/// computed.
[[nodiscard]] std::string difference(const std::vector<at::Tensor>& actual, const std::vector<at::Tensor>& expected);

/// Returns unused memory of PyTorch's caching allocator to the device.
void release_unused_memory(DeviceId device);

/// Returns the bytes that PyTorch's caching allocator holds on the device; 0 on the CPU.
[[nodiscard]] std::uint64_t allocator_bytes(DeviceId device);

}  // namespace greenlane

// For how many units libraries may be told to pick kernels when a partition's graph is captured. Arithmetic only.
#pragma once

#include <greenlane/core/device.hpp>

#include <optional>
#include <vector>

namespace greenlane::detail {

// Absent: they are not told, and pick for the whole device.
using KernelTarget = std::optional<int>;

// What is worth a try for so many units of the device, "not told" first. Nothing is always best: the obvious number is
// sometimes slower than none, and where a partition has the odd group, whole groups can be better.
[[nodiscard]] std::vector<KernelTarget> kernel_targets(const DeviceInfo& device, Units units);

}  // namespace greenlane::detail

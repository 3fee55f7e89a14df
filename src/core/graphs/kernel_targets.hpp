// The unit counts that libraries may be told to pick kernels for when a partition's graph is captured. Arithmetic only.
#pragma once

#include <greenlane/core/device.hpp>

#include <optional>
#include <vector>

namespace greenlane::detail {

// Absent: libraries are not told and pick for the whole device.
using KernelTarget = std::optional<int>;

// Returns the targets worth trying for this many units of the device, "not told" first. No target is always the best:
// the partition's own size is sometimes slower than none, and if a partition has the odd group, whole groups alone can
// be better.
[[nodiscard]] std::vector<KernelTarget> kernel_targets(const DeviceInfo& device, Units units);

}  // namespace greenlane::detail

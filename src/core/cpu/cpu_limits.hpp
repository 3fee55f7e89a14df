// Limits on CPU time set by control groups, as containers use them.
#pragma once

#include <filesystem>
#include <optional>

namespace greenlane::detail {

// Returns the CPU time that this process may use, in cores: the smallest quota of its control group and the groups
// above it, of version 1 or 2. Nothing if there is no quota. `root` is the folder that contains /proc and /sys.
[[nodiscard]] std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace greenlane::detail

// Limits of CPU time that control groups set, as containers use them.
#pragma once

#include <filesystem>
#include <optional>

namespace greenlane::detail {

// How many cores' time this process may use at most, by the quotas of its control group and those above it, of version
// 1 or 2; nothing where there is none. `root`: where /proc and /sys are found.
[[nodiscard]] std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace greenlane::detail

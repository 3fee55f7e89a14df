// The number of SMs that libraries pick kernels for.
#pragma once

#include <cstdint>
#include <optional>

namespace greenlane::detail {

// Returns whether this version of PyTorch has such a setting.
[[nodiscard]] bool can_target_kernels();

// A scope in which matrix products of all threads get kernels for `target` of the device's `units` (absent: as before).
// The destructor restores the former setting.
// Thread safety: one scope at a time, with the right to capture.
class KernelScope {
 public:
  KernelScope(int units, std::optional<int> target);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  bool told_ = false;
  std::optional<std::int32_t> former_;
};

}  // namespace greenlane::detail

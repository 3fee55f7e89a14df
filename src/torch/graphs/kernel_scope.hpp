// Telling libraries for how many SMs to pick kernels.
#pragma once

#include <cstdint>
#include <optional>

namespace greenlane::detail {

// Whether this PyTorch can tell them.
[[nodiscard]] bool can_target_kernels();

// While this lives, matrix products that any thread enqueues get kernels for `target` of the device's `units` (absent:
// as before). Afterwards the setting is what it was. One at a time, under the lock of captures.
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

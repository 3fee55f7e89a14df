// The library of the CUDA driver.
#pragma once

namespace greenlane::detail {

/// Returns true if this machine has it. CUDA is not started.
[[nodiscard]] bool driver_is_installed() noexcept;

}  // namespace greenlane::detail

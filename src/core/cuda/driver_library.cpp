#include "driver/table.hpp"

#include <greenlane/detail/core/driver_library.hpp>

namespace greenlane::detail {

bool driver_is_installed() noexcept { return driver::is_installed(); }

}  // namespace greenlane::detail

#include "text/duration.hpp"

#include <fmt/core.h>

namespace greenlane::text {

std::string duration_text(double microseconds) {
  if (microseconds < 99.95) return fmt::format("{:.1f} µs", microseconds);
  if (microseconds < 9'999.5) return fmt::format("{:.0f} µs", microseconds);
  if (microseconds < 999'950) return fmt::format("{:.1f} ms", microseconds / 1e3);
  return fmt::format("{:.2f} s", microseconds / 1e6);
}

}  // namespace greenlane::text

#include "text/duration.hpp"

#include <fmt/core.h>

#include <charconv>
#include <system_error>

namespace greenlane::text {

std::optional<std::chrono::nanoseconds> read_duration(std::string_view text, std::chrono::nanoseconds longest) {
  double count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit != "us" && unit != "ms") return std::nullopt;
  const std::chrono::duration<double, std::nano> time(count * (unit == "us" ? 1e3 : 1e6));
  if (!(time.count() >= 1) || time > longest) return std::nullopt;
  return std::chrono::round<std::chrono::nanoseconds>(time);
}

std::string duration_text(double microseconds) {
  if (microseconds < 99.95) return fmt::format("{:.1f} µs", microseconds);
  if (microseconds < 9'999.5) return fmt::format("{:.0f} µs", microseconds);
  if (microseconds < 999'950) return fmt::format("{:.1f} ms", microseconds / 1e3);
  return fmt::format("{:.2f} s", microseconds / 1e6);
}

}  // namespace greenlane::text

// Durations for people and for files.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace greenlane::text {

// Converts to microseconds, the unit of durations in results, traces and plans.
[[nodiscard]] inline double to_microseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1e3;
}

// Reads a positive number with "us" or "ms" behind it, such as "50us". Returns nothing for another text, for less than
// a nanosecond, and for more than `longest`.
[[nodiscard]] std::optional<std::chrono::nanoseconds> read_duration(std::string_view text,
                                                                    std::chrono::nanoseconds longest);

// Writes "85.3 µs", "350 µs", "12.4 ms" or "1.20 s".
[[nodiscard]] std::string duration_text(double microseconds);

}  // namespace greenlane::text

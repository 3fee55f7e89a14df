// Durations for people and for files.
#pragma once

#include <chrono>
#include <string>

namespace greenlane::text {

// Converts to microseconds, the unit of durations in results, traces and plans.
[[nodiscard]] inline double to_microseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1e3;
}

// Writes "85.3 µs", "350 µs", "12.4 ms" or "1.20 s".
[[nodiscard]] std::string duration_text(double microseconds);

}  // namespace greenlane::text

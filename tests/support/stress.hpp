// The length of stress tests.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace greenlane {

// Returns the number of acts of a stress test. GREENLANE_STRESS sets another one.
[[nodiscard]] inline std::uint64_t stress_count() {
  const char* text = std::getenv("GREENLANE_STRESS");
  return text ? std::strtoull(text, nullptr, 10) : 20'000;
}

}  // namespace greenlane

#include "fuzz/coverage.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace greenlane::fuzz {
namespace {

constexpr std::size_t kEdges = std::size_t{1} << 16U;

bool is_looking = false;
std::uintptr_t former = 0;
std::array<std::uint8_t, kEdges> now{};
std::array<std::uint8_t, kEdges> ever{};

// Returns the bit for the number of times that an edge between two basic blocks was taken: 1, 2 to 3, 4 to 7, 8 to 15,
// …
std::uint8_t bit_of(std::uint8_t count) { return static_cast<std::uint8_t>(1U << (std::bit_width(count) - 1U)); }

}  // namespace

void begin_coverage() {
  now.fill(0);
  former = 0;
  is_looking = true;
}

bool end_coverage() {
  is_looking = false;
  bool is_new = false;
  for (std::size_t i = 0; i < kEdges; ++i) {
    if (now[i] == 0) continue;
    const auto bit = bit_of(now[i]);
    is_new = is_new || (ever[i] & bit) == 0;
    ever[i] = static_cast<std::uint8_t>(ever[i] | bit);
  }
  return is_new;
}

int edges_reached() {
  int count = 0;
  for (const auto bits : ever) count += bits != 0 ? 1 : 0;
  return count;
}

// Called by all code of this program except this file.
extern "C" void __sanitizer_cov_trace_pc() {  // NOLINT(bugprone-reserved-identifier): the compiler's name
  if (!is_looking) return;
  const auto block = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  auto& count = now[((block >> 1U) ^ former) % kEdges];
  if (count < 255) ++count;
  former = block >> 2U;
}

}  // namespace greenlane::fuzz

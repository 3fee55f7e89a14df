// The most units that plans and profiles may name: more than any device has, and few enough to compute with.
#pragma once

#include <cstdint>

namespace greenlane::runtime {

inline constexpr std::int64_t kMostUnits = 1'000'000;

}  // namespace greenlane::runtime

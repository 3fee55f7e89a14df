// How long urgent work waits for the slices that a best-effort engine has launched. Arithmetic only.
#pragma once

#include <greenlane/core/gate.hpp>

#include <algorithm>
#include <chrono>

namespace greenlane::detail {

// A slice is launched this long before the device needs it. The launch and its way to the device take 10 us.
inline constexpr std::chrono::nanoseconds kLaunchLead = std::chrono::microseconds(15);

// Returns the time of the slices in flight at most. With a look-ahead the last one is launched when the slice before it
// is about to end, unless the thread sleeps.
[[nodiscard]] constexpr std::chrono::nanoseconds time_in_flight(std::chrono::nanoseconds longest, int look_ahead,
                                                                GateWait wait = GateWait::spin) {
  if (look_ahead <= 0 || wait == GateWait::block) return (look_ahead + 1) * longest;
  return look_ahead * longest + std::min(longest, kLaunchLead);
}

// Returns the length of slices with this time in flight, and a look-ahead of one.
[[nodiscard]] constexpr std::chrono::nanoseconds slice_for(std::chrono::nanoseconds in_flight) {
  return std::max(in_flight / 2, in_flight - kLaunchLead);
}

}  // namespace greenlane::detail

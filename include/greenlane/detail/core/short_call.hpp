// Which urgent calls are short, for gates and for the plans of them. Arithmetic only.
#pragma once

namespace greenlane {

// Returns true if an urgent call is short beside best-effort work with these slices in flight: the gate is not closed
// ahead of it, because that costs best effort the slices in flight, about as much as the call itself or more. Where
// these take more than a quarter of the deadline, no call is short. All times in one unit.
template <typename Time>
[[nodiscard]] bool is_short_call(Time call, Time in_flight, Time deadline) {
  return call < 2 * in_flight && 4 * in_flight <= deadline;
}

}  // namespace greenlane

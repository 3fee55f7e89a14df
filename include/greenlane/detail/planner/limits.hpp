/// Compares times with limits.
#pragma once

namespace greenlane {

/// The largest relative difference that sums and products of times may have by rounding alone.
inline constexpr double kRounding = 1e-9;

/// Returns whether `time` is beyond `limit`, in the same unit, by more than rounding. A p99 of 350 µs with a margin of
/// 10 % meets a deadline of 385 µs, although 350 × 1.1 is greater than 385 in floating point.
[[nodiscard]] constexpr bool exceeds(double time, double limit) { return time > limit * (1 + kRounding); }

}  // namespace greenlane

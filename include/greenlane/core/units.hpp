// Units: the parts of a device. An SM on a GPU, a core on a CPU.
#pragma once

#include <compare>
#include <cstdint>

namespace greenlane {

/// A count of units.
struct Units {
  int count = 0;  ///< the number of units
  friend auto operator<=>(const Units&, const Units&) = default;
};

/// The identity of a set of units of one device.
class UnitSetId {
 public:
  /// Makes the identity of a device's whole set.
  constexpr UnitSetId() noexcept = default;
  /// Makes an identity that no other set of this process has.
  /// Thread safety: any thread.
  [[nodiscard]] static UnitSetId next() noexcept;

  /// Returns true for a device's whole set.
  [[nodiscard]] constexpr bool is_whole_device() const noexcept { return number_ == 0; }
  /// Returns true if the two sets share units. Both must be sets of one device. Partitions never share units, and the
  /// whole device shares units with each. A green context that the caller made counts as disjoint from all others.
  [[nodiscard]] constexpr bool overlaps(UnitSetId other) const noexcept {
    return *this == other || is_whole_device() || other.is_whole_device();
  }
  friend constexpr auto operator<=>(const UnitSetId&, const UnitSetId&) = default;

 private:
  explicit constexpr UnitSetId(std::uint64_t number) noexcept : number_(number) {}
  std::uint64_t number_ = 0;
};

/// The groups that a device's one split gives.
struct DeviceGroups {
  int whole = 0;    ///< groups of `each` units
  Units each;       ///< units of one whole group
  Units remainder;  ///< units of the odd group that the split leaves over; 0: there is none

  /// Returns the fewest whole groups of a partition; 0 on a device without whole groups. The odd group joins a
  /// partition of at least one whole group or stays unused: kernels with thread-block clusters fail on the odd group
  /// alone, and cuBLAS uses such kernels.
  [[nodiscard]] constexpr int fewest_of_partition() const noexcept { return whole > 0 ? 1 : 0; }
};

/// A request for all units that are left.
struct Rest {};
/// The request for all units that are left, to be written in place of a number.
inline constexpr Rest rest{};

/// The size of a requested partition: a count, rounded up to whole groups, or the rest.
class UnitRequest {
 public:
  /// Implicit, so that {"policy", 8} and {"head", rest} can be written.
  UnitRequest(int count) : count_(count) {}  // NOLINT(google-explicit-constructor)
  /// Requests this number of units.
  UnitRequest(Units units) : count_(units.count) {}  // NOLINT(google-explicit-constructor)
  /// Requests the rest.
  UnitRequest(Rest /*unused*/) : is_rest_(true) {}  // NOLINT(google-explicit-constructor)

  /// Returns true for `rest`.
  [[nodiscard]] bool is_rest() const noexcept { return is_rest_; }
  /// Meaningless for `rest`.
  [[nodiscard]] Units units() const noexcept { return {count_}; }

 private:
  int count_ = 0;
  bool is_rest_ = false;
};

}  // namespace greenlane

// Partitions: disjoint sets of a device's units.
#pragma once

#include <greenlane/core/device.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace greenlane {

namespace detail {
struct Access;
class PartitionState;
}  // namespace detail

/// A set of units, as a shared handle. Partitions of one device never overlap: each is a union of groups of the
/// device's one split.
/// Lifetime: the units return to the device when the last handle, lane and binding that uses them is gone, so that no
/// later partition overlaps work that still runs.
/// Thread safety: all members may be called from any thread.
class Partition {
 public:
  /// Returns the name in messages and reports.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Returns the device that it is part of.
  [[nodiscard]] Device device() const;
  /// Returns the units it has: the request, rounded up to whole groups.
  [[nodiscard]] Units units() const noexcept;
  /// CPU numbers of the operating system; empty on a GPU.
  [[nodiscard]] std::span<const int> cpus() const noexcept;
  /// Numbers of its groups in the device's split, ascending. Two living partitions have none in common.
  [[nodiscard]] std::span<const int> groups() const noexcept;

  friend bool operator==(const Partition&, const Partition&) = default;

 private:
  friend struct detail::Access;
  explicit Partition(std::shared_ptr<detail::PartitionState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::PartitionState> state_;
};

}  // namespace greenlane

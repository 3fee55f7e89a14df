// Devices: `cuda:N` and `cpu`, and how they are divided.
#pragma once

#include <greenlane/core/units.hpp>

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane {

class Partition;
class LaneSet;
namespace detail {
struct Access;
class DeviceState;
}  // namespace detail

/// The kinds of devices.
enum class DeviceKind { cpu, cuda };

/// The identity of a device: a kind and, for CUDA, its index in this process.
struct DeviceId {
  DeviceKind kind = DeviceKind::cpu;  ///< the kind
  int index = 0;                      ///< the index of a CUDA device; 0 on a CPU

  /// Parses "cpu", "cuda" (index 0) or "cuda:N".
  /// Throws: DeviceError for any other text.
  [[nodiscard]] static DeviceId parse(std::string_view text);
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
};
/// Returns the identity as text: "cpu" or "cuda:N".
[[nodiscard]] std::string to_string(DeviceId id);
/// Returns a number of units as text: "48 SMs" or "1 core".
[[nodiscard]] std::string units_text(DeviceKind kind, Units units);

/// Properties of a device. Units are SMs, or the CPU cores that this process may use.
struct DeviceInfo {
  DeviceId id;       ///< the identity
  std::string name;  ///< the name that the driver or the system gives
  Units units;       ///< all units of the device
  /// Units per whole group. Partitions consist of whole groups.
  Units granularity;
  /// Units of the odd group that the split leaves over; 0: there is none. The odd group joins `rest`, or a partition
  /// that needs more units than whole groups can give. It is never a partition by itself (see DeviceGroups).
  Units remainder;
  int groups = 0;                  ///< number of whole groups
  std::uint64_t memory_bytes = 0;  ///< size of its memory
  /// 10 × major + minor; 0 on a CPU.
  int compute_capability = 0;
  /// The driver's version number, such as 13000; 0 on a CPU.
  int driver_version = 0;
  /// The reason why the device cannot be divided; empty if it can.
  std::string partition_obstacle;
};

/// A named part of a device to request.
struct PartitionRequest {
  std::string name;   ///< the name in messages and reports
  UnitRequest units;  ///< the size
};

/// A device, as a cheap shared handle. Copies refer to the same device, and its one split belongs to the process.
/// Thread safety: all members may be called from any thread.
class Device {
 public:
  /// Opens "cpu", "cuda", "cuda:N" or "auto" (the first GPU if there is one, else the CPU).
  /// Throws: DeviceError if the device does not exist or there is no driver.
  [[nodiscard]] static Device open(std::string_view name);
  /// Opens a device by its identity.
  [[nodiscard]] static Device open(DeviceId id);
  /// Returns all devices of this machine that can be opened: the GPUs, then the CPU.
  [[nodiscard]] static std::vector<DeviceInfo> enumerate();

  /// Returns the identity.
  [[nodiscard]] DeviceId id() const noexcept;
  /// Returns the properties.
  [[nodiscard]] const DeviceInfo& info() const noexcept;

  /// Takes one partition.
  /// Throws: PartitionError if the units are not free; the message lists the holders of units. Also if only the odd
  /// group is free.
  [[nodiscard]] Partition partition(std::string name, UnitRequest units) const;
  /// Takes several partitions, all or none, and makes a lane of the same name on each. One request may be `rest`: all
  /// units that the others leave.
  /// Throws: PartitionError as above.
  [[nodiscard]] LaneSet partition(std::span<const PartitionRequest> requests) const;
  /// Takes several partitions, given as a list in braces.
  [[nodiscard]] LaneSet partition(std::initializer_list<PartitionRequest> requests) const;

  /// Returns true if both handles refer to one device.
  friend bool operator==(const Device& a, const Device& b) { return a.state_ == b.state_; }

 private:
  friend struct detail::Access;
  explicit Device(std::shared_ptr<detail::DeviceState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::DeviceState> state_;
};

}  // namespace greenlane

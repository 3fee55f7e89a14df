// Devices: `cuda:N` and `cpu`, and what they can be divided into.
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
class DeviceState;
}

enum class DeviceKind { cpu, cuda };

// Which device: a kind and, for CUDA, the index that CUDA gives it in this process.
struct DeviceId {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;

  // Reads "cpu", "cuda" (the first one) or "cuda:N". Throws DeviceError on anything else.
  [[nodiscard]] static DeviceId parse(std::string_view text);
  friend auto operator<=>(const DeviceId&, const DeviceId&) = default;
};
[[nodiscard]] std::string to_string(DeviceId id);

// What a device is. Unit counts are SMs or CPU cores that this process may use.
struct DeviceInfo {
  DeviceId id;
  std::string name;
  Units units;
  // Partitions are made of whole groups of this many units...
  Units granularity;
  // ...and one odd group of this many (0: none), which the split leaves over. It joins `rest`, or a partition that
  // whole groups are too few for. It is never a partition by itself (see DeviceGroups).
  Units remainder;
  int groups = 0;
  std::uint64_t memory_bytes = 0;
  // 10 × major + minor; 0 on a CPU.
  int compute_capability = 0;
  // As the driver reports it, e.g. 13000; 0 on a CPU.
  int driver_version = 0;
  // Empty where the device can be divided, else the reason why not.
  std::string partition_obstacle;
};

// One named share of a device.
struct PartitionRequest {
  std::string name;
  UnitRequest units;
};

// A device, as a cheap shared handle: copies mean the same device, and its one split belongs to the process.
// Thread safety: all members may be called from any thread.
class Device {
 public:
  // Opens "cpu", "cuda", "cuda:N" or "auto" (the first GPU where there is one, else the CPU).
  // Throws DeviceError where there is no such device, or no driver.
  [[nodiscard]] static Device open(std::string_view name);
  [[nodiscard]] static Device open(DeviceId id);
  // Every device of this machine that can be opened: the GPUs, then the CPU.
  [[nodiscard]] static std::vector<DeviceInfo> enumerate();

  [[nodiscard]] DeviceId id() const noexcept;
  [[nodiscard]] const DeviceInfo& info() const noexcept;

  // Takes one partition. Throws PartitionError when the units are not free: it lists who holds what. Throws
  // PartitionError also when only the odd group is free.
  [[nodiscard]] Partition partition(std::string name, UnitRequest units) const;
  // Takes several at once, all or none, and puts a lane of the same name on each. `rest`, in one of them, takes what
  // the others leave.
  [[nodiscard]] LaneSet partition(std::span<const PartitionRequest> requests) const;
  [[nodiscard]] LaneSet partition(std::initializer_list<PartitionRequest> requests) const;

  friend bool operator==(const Device& a, const Device& b) { return a.state_ == b.state_; }

 private:
  friend class Partition;
  friend class Lane;
  friend class StreamBinding;
  friend class CurrentContext;
  friend class UrgentEngine;
  explicit Device(std::shared_ptr<detail::DeviceState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::DeviceState> state_;
};

}  // namespace greenlane

// The state behind a Partition: its groups, returned to the device when it is destroyed.
#pragma once

#include "core/device_state.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

class PartitionState {
 public:
  // Owns `groups`, also if this throws.
  PartitionState(std::shared_ptr<DeviceState> device, std::string name, std::vector<int> groups);
  ~PartitionState();
  PartitionState(const PartitionState&) = delete;
  PartitionState& operator=(const PartitionState&) = delete;

  [[nodiscard]] const std::shared_ptr<DeviceState>& device() const noexcept { return groups_.device; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] Units units() const noexcept { return units_; }
  [[nodiscard]] std::span<const int> groups() const noexcept { return groups_.indices; }
  [[nodiscard]] const std::shared_ptr<UnitSet>& unit_set() const noexcept { return unit_set_; }

 private:
  struct HeldGroups {
    std::shared_ptr<DeviceState> device;
    std::vector<int> indices;
    ~HeldGroups() { device->give_back(indices); }
  };
  HeldGroups groups_;  // the first member: returned after the unit set is gone, also if making the unit set fails
  std::string name_;
  Units units_;
  std::shared_ptr<UnitSet> unit_set_;
};

// Takes and makes all partitions or none.
[[nodiscard]] std::vector<std::shared_ptr<PartitionState>> make_partitions(const std::shared_ptr<DeviceState>& device,
                                                                           std::span<const PartitionRequest> requests);

}  // namespace greenlane::detail

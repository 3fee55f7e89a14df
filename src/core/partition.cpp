#include "core/partition_state.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/core/partition.hpp>
#include <greenlane/detail/core/access.hpp>

namespace greenlane {
namespace detail {

PartitionState::PartitionState(std::shared_ptr<DeviceState> device, std::string name, std::vector<int> groups)
    : groups_{std::move(device), std::move(groups)},
      name_(std::move(name)),
      units_(groups_.device->units(groups_.indices)),
      unit_set_(groups_.device->make_units(groups_.indices)) {}

PartitionState::~PartitionState() = default;

std::vector<std::shared_ptr<PartitionState>> make_partitions(const std::shared_ptr<DeviceState>& device,
                                                             std::span<const PartitionRequest> requests) {
  auto taken = device->take(requests);
  std::vector<std::shared_ptr<PartitionState>> partitions;
  std::size_t next = 0;
  try {
    for (; next < taken.size(); ++next) {
      partitions.push_back(std::make_shared<PartitionState>(device, requests[next].name, taken[next]));
    }
  } catch (...) {
    // The failed partition has returned its groups itself.
    for (++next; next < taken.size(); ++next) device->give_back(taken[next]);
    throw;
  }
  return partitions;
}

}  // namespace detail

const std::string& Partition::name() const noexcept { return state_->name(); }
Device Partition::device() const { return detail::Access::make<Device>(state_->device()); }
Units Partition::units() const noexcept { return state_->units(); }
std::span<const int> Partition::cpus() const noexcept { return state_->unit_set()->cpus(); }
std::span<const int> Partition::groups() const noexcept { return state_->groups(); }

}  // namespace greenlane

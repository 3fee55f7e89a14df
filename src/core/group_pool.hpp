// The holders of the groups of a device's one split. Pure arithmetic without CUDA or threads. Its owner locks.
#pragma once

#include <greenlane/core/device.hpp>

#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

class GroupPool {
 public:
  // Makes a pool of `whole_groups` groups of `group_units` units, and, if `remainder_units` is not 0, one odd group,
  // numbered last. `note` is added to the message when units run out.
  GroupPool(DeviceId device, int whole_groups, int group_units, int remainder_units, std::string note = {});

  // Takes groups for every request, all or none. `rest` is served last, whatever its place. Whole groups are taken
  // first, lowest numbers first. The odd group is taken only by `rest`, or if the whole groups do not suffice, and
  // never alone.
  // Throws: PartitionError.
  [[nodiscard]] std::vector<std::vector<int>> take(std::span<const PartitionRequest> requests);
  void give_back(std::span<const int> groups) noexcept;
  // Checks that take() would serve these requests if no group were taken.
  // Throws: PartitionError, as take() would.
  void require_fit(std::span<const PartitionRequest> requests) const;

  [[nodiscard]] int units(std::span<const int> groups) const noexcept;
  [[nodiscard]] int free_units() const noexcept;
  // Returns a text such as "'policy' holds 8, 'vision' holds 48; 76 of 132 SMs are free".
  [[nodiscard]] std::string describe() const;

 private:
  struct Group {
    int units = 0;
    bool taken = false;
    std::string owner;
  };
  [[nodiscard]] std::vector<int> choose(const PartitionRequest& request, const std::vector<Group>& groups) const;
  [[noreturn]] void refuse(const PartitionRequest& request, const std::vector<Group>& groups) const;
  [[noreturn]] void refuse_odd_group(const PartitionRequest& request, const std::vector<Group>& groups) const;
  // Returns the beginning of a message: "cannot give 8 SMs of cuda:0 to 'policy'".
  [[nodiscard]] std::string what_of(const PartitionRequest& request) const;

  DeviceId device_;
  DeviceGroups split_;
  std::string note_;
  std::vector<Group> groups_;
};

}  // namespace greenlane::detail

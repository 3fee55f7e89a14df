// Who holds which group of a device's one split. Pure arithmetic: it knows nothing of CUDA or threads, and its owner
// locks.
#pragma once

#include <greenlane/core/device.hpp>

#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

class GroupPool {
 public:
  // `whole_groups` groups of `group_units` each, then, where `remainder_units` is not 0, one odd group, numbered last.
  // `note`: what a refusal says besides, where units run out.
  GroupPool(DeviceId device, int whole_groups, int group_units, int remainder_units, std::string note = {});

  // Groups for every request, all or none; `rest` is served last, whatever its place. Whole groups are taken first,
  // lowest numbers first; the odd group only by `rest` or where the whole ones do not suffice, and never alone.
  // Throws PartitionError.
  [[nodiscard]] std::vector<std::vector<int>> take(std::span<const PartitionRequest> requests);
  void give_back(std::span<const int> groups) noexcept;

  [[nodiscard]] int units(std::span<const int> groups) const noexcept;
  [[nodiscard]] int free_units() const noexcept;
  // "policy 8, vision 48; 76 of 132 SMs are free".
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
  // What a message begins with: "cannot give 8 SMs of cuda:0 to 'policy'".
  [[nodiscard]] std::string what_of(const PartitionRequest& request) const;

  DeviceId device_;
  DeviceGroups split_;
  std::string note_;
  std::vector<Group> groups_;
};

}  // namespace greenlane::detail

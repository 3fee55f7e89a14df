// Divides a device among lanes where the configuration does not. Arithmetic only.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/detail/runtime/config.hpp>

#include <string>
#include <vector>

namespace greenlane::runtime {

// A partition to make, and the lanes on it.
struct Share {
  PartitionRequest request;
  std::vector<std::string> lanes;
};

// Returns one share for each partition. Lanes with units get those units. The other lanes divide the remaining groups
// evenly, and the groups that do not divide go to the last of them, which is a best-effort lane if there is one. If
// there are fewer groups than lanes, lanes share partitions; best-effort lanes get a partition of their own if there
// are two groups or more, so that they disturb no deadline. A lane beside another joins that lane's share. The odd
// group joins one of these shares; if only the odd group is left, the pool refuses the share.
[[nodiscard]] std::vector<Share> divide(const PipelineConfig& config, const DeviceInfo& device);

// Returns the configuration with its lanes written out as divide() divides them. The first lane of each share has the
// units; the other lanes are beside it.
[[nodiscard]] PipelineConfig divided(PipelineConfig config, const DeviceInfo& device);

// Returns true where an engine with a deadline runs on this lane or on a lane beside it.
[[nodiscard]] bool is_urgent(const PipelineConfig& config, const std::string& lane);

}  // namespace greenlane::runtime

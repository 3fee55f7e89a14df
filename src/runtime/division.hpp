// How a device is divided among lanes when the configuration does not say. Arithmetic only.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/runtime/config.hpp>

#include <string>
#include <vector>

namespace greenlane::runtime {

// A partition to be made and the lanes that are to be on it.
struct Share {
  PartitionRequest request;
  std::vector<std::string> lanes;
};

// Lanes with units get what they ask for. What is left is divided evenly among the others, and what does not divide
// goes to a best-effort lane. Where there are fewer groups than lanes, lanes share partitions: best-effort ones keep to
// themselves, so that they disturb no deadline. Lanes beside others join those's shares. The odd group joins one of
// these shares; where it is all that is left, the pool refuses the share.
[[nodiscard]] std::vector<Share> divide(const PipelineConfig& config, const DeviceInfo& device);

// The configuration with its lanes written out as they are divided: the first one of each share has the units, the
// others are beside it.
[[nodiscard]] PipelineConfig divided(PipelineConfig config, const DeviceInfo& device);

// Whether an engine with a deadline runs on this lane, or on one beside it.
[[nodiscard]] bool is_urgent(const PipelineConfig& config, const std::string& lane);

}  // namespace greenlane::runtime

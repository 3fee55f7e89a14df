// Places a pipeline's lanes, in each of the modes that can be compared.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <map>
#include <string>

namespace greenlane::runtime {

// Checks that the device has the units of the configuration's lanes. Takes and makes nothing, so units that others in
// this process hold are an error of place() only.
// Throws: ConfigError, as place() does in mode `lanes`.
void require_lanes_fit(const PipelineConfig& config, const Device& device);

// Returns a lane for every lane name in the configuration.
// `lanes`: on partitions, with priorities; on a CPU, only lanes that share a partition have them.
// `shared`: plain streams or unpinned threads.
// `priority` and `gates`: plain streams or unpinned threads, with a more urgent priority for a shorter deadline.
// Throws: PartitionError, ConfigError.
[[nodiscard]] std::map<std::string, Lane> place(const PipelineConfig& config, const Device& device, Mode mode);

}  // namespace greenlane::runtime

// Lanes for a pipeline, in each of the modes that can be compared.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/runtime/config.hpp>
#include <greenlane/runtime/pipeline.hpp>

#include <map>
#include <string>

namespace greenlane::runtime {

// The lane of every lane name in the configuration. `lanes`: on partitions (with priorities where several
// lanes share one); `shared`: plain streams or unpinned threads;
// `priority` and `gates`: those, with a more urgent priority the shorter the deadline. Throws PartitionError,
// ConfigError.
[[nodiscard]] std::map<std::string, Lane> place(const PipelineConfig& config, const Device& device, Mode mode);

}  // namespace greenlane::runtime

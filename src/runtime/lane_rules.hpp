// Rules of lanes, for the readers of configurations and of plans.
#pragma once

#include <greenlane/detail/runtime/config.hpp>

#include <functional>
#include <string>
#include <vector>

namespace greenlane::runtime {

// What to do about the device of a lane that is refused.
inline constexpr const char* kLaneDeviceRemedy = "use cpu or cuda:N, or leave the key out for the pipeline's device";

// Returns the reason why this is no device of a lane; empty if it is one. The pipeline's device (empty) is one.
[[nodiscard]] std::string why_no_lane_device(const std::string& device);

// Throws a fault of a lane that is beside another.
using FailNeighbour = std::function<void(const LaneConfig& lane, const std::string& why, const std::string& remedy)>;

// Checks that each lane beside another shares the units of a lane that has its own, on one device, and sets its device.
// `device` is that of lanes that name none.
void settle_neighbours(std::vector<LaneConfig>& lanes, const std::string& device, const FailNeighbour& fail);

}  // namespace greenlane::runtime

#include "runtime/lane_rules.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>
#include <optional>

namespace greenlane::runtime {
namespace {

struct Fault {
  std::string why;
  std::string remedy;
};

// Returns the fault of a lane beside another, which is null where no engine runs on it.
std::optional<Fault> fault_of(const LaneConfig& lane, const LaneConfig* other, const std::string& device) {
  const auto device_of = [&](const LaneConfig& one) { return one.device.empty() ? device : one.device; };
  const std::string name_another = "name a lane that engines run on and that is not beside another";
  if (lane.units)
    return Fault{"a lane beside another has that one's units, and `units` says otherwise", "leave one of the two out"};
  if (!other) return Fault{"no engine runs on lane '" + lane.beside + "'", name_another};
  if (!other->beside.empty()) return Fault{"lane '" + lane.beside + "' has no units of its own", name_another};
  if (!lane.device.empty() && device_of(lane) != device_of(*other)) {
    return Fault{"lane '" + lane.beside + "' is on another device",
                 "give both lanes the same `device`, or leave `beside` out"};
  }
  return std::nullopt;
}

}  // namespace

std::string why_no_lane_device(const std::string& device) {
  if (device.empty()) return {};
  try {
    (void)DeviceId::parse(device);
    return {};
  } catch (const DeviceError&) {  // its remedy names auto, which is no device of a lane
    return "'" + device + "' is no device of a lane";
  }
}

void settle_neighbours(std::vector<LaneConfig>& lanes, const std::string& device, const FailNeighbour& fail) {
  for (auto& lane : lanes) {
    if (lane.beside.empty()) continue;
    const auto found = std::ranges::find(lanes, lane.beside, &LaneConfig::name);
    const auto* const other = found == lanes.end() ? nullptr : &*found;
    const auto fault = fault_of(lane, other, device);
    if (fault) fail(lane, fault->why, fault->remedy);
    if (other) lane.device = other->device;
  }
}

}  // namespace greenlane::runtime

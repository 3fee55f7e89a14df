#include "runtime/device_part.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {

Device device_of(const PipelineConfig& config, const std::string& lane, const Device& own) {
  const auto known = std::ranges::find(config.lanes, lane, &LaneConfig::name);
  return known == config.lanes.end() || known->device.empty() ? own : Device::open(known->device);
}

std::vector<DevicePart> parts_of(const PipelineConfig& config, const Device& own) {
  std::vector<DevicePart> parts;
  const auto part_on = [&](const Device& device) -> DevicePart& {
    const auto known = std::ranges::find(parts, device.id(), [](const DevicePart& part) { return part.device.id(); });
    if (known != parts.end()) return *known;
    PipelineConfig part = config;
    part.engines.clear();
    part.lanes.clear();
    return parts.emplace_back(DevicePart{.device = device, .config = std::move(part)});
  };
  for (const auto& lane : config.lanes) part_on(device_of(config, lane.name, own)).config.lanes.push_back(lane);
  for (const auto& engine : config.engines)
    part_on(device_of(config, engine.lane, own)).config.engines.push_back(engine);
  return parts;
}

}  // namespace greenlane::runtime

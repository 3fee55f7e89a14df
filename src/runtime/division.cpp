#include "runtime/division.hpp"

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : "+") + name;
  return text;
}

// Returns the name, with a number where a lane of the configuration or another share already has it.
std::string unique(const std::string& composed, const PipelineConfig& config, const std::vector<Share>& shares) {
  const auto is_taken = [&](const std::string& name) {
    return std::ranges::find(config.lanes, name, &LaneConfig::name) != config.lanes.end() ||
           std::ranges::any_of(shares, [&](const Share& share) { return share.request.name == name; });
  };
  std::string name = composed;
  for (int number = 2; is_taken(name); ++number) name = composed + " (" + std::to_string(number) + ")";
  return name;
}

int groups_for(Units units, Units granularity) { return (units.count + granularity.count - 1) / granularity.count; }

// Makes one share for each lane and divides `groups` evenly. The last lane also gets the odd group and the groups that
// do not divide.
std::vector<Share> even(const std::vector<std::string>& lanes, int groups, bool may_take_rest,
                        const DeviceInfo& device) {
  const int each = groups / static_cast<int>(lanes.size());
  std::vector<Share> shares;
  for (const auto& lane : lanes) {
    const bool takes_rest = may_take_rest && &lane == &lanes.back();
    const auto units = takes_rest ? UnitRequest(rest) : UnitRequest(each * device.granularity.count);
    shares.push_back({.request = {.name = lane, .units = units}, .lanes = {lane}});
  }
  return shares;
}

// Makes shares where there are fewer groups than lanes: one group for each share, with several lanes on it. The odd
// group joins the last share.
std::vector<Share> crowded(const std::vector<std::string>& urgent, const std::vector<std::string>& best_effort,
                           int groups, bool may_take_rest, const DeviceInfo& device, const PipelineConfig& config) {
  const auto count = static_cast<std::size_t>(std::max(groups, 1));
  std::vector<std::vector<std::string>> lanes(count);
  const bool apart = count > 1 && !urgent.empty() && !best_effort.empty();
  const std::size_t for_urgent = apart ? count - 1 : count;
  std::size_t next = 0;
  for (const auto& lane : urgent) lanes[next++ % for_urgent].push_back(lane);
  for (const auto& lane : best_effort) lanes[apart ? count - 1 : next++ % count].push_back(lane);
  std::vector<Share> shares;
  for (auto& names : lanes) {
    if (names.empty()) continue;
    auto name = names.size() == 1 ? names.front() : unique(joined(names), config, shares);
    shares.push_back({.request = {.name = std::move(name), .units = device.granularity}, .lanes = std::move(names)});
  }
  // The last share asks for the rest even where no group is left: the pool then says what is left, and why that is too
  // little.
  if (may_take_rest && device.remainder.count > 0) shares.back().request.units = rest;
  return shares;
}

bool is_beside(const PipelineConfig& config, const std::string& lane, const std::string& other) {
  return std::ranges::any_of(config.lanes, [&](const auto& each) {
    return each.name == lane && !each.beside.empty() && each.beside == other;
  });
}

// Divides the device among the lanes that are not beside others.
std::vector<Share> divide_among_own(const PipelineConfig& config, const DeviceInfo& device) {
  std::vector<Share> shares;
  std::vector<std::string> urgent;
  std::vector<std::string> best_effort;
  int groups = device.groups;
  bool rest_is_taken = false;
  for (const auto& lane : config.lanes) {
    if (!lane.beside.empty()) continue;
    if (lane.units) {
      shares.push_back({.request = {.name = lane.name, .units = *lane.units}, .lanes = {lane.name}});
      rest_is_taken |= lane.units->is_rest();
      groups -= lane.units->is_rest() ? 1 : groups_for(lane.units->units(), device.granularity);
    } else {
      (is_urgent(config, lane.name) ? urgent : best_effort).push_back(lane.name);
    }
  }
  const int open = static_cast<int>(urgent.size() + best_effort.size());
  if (open == 0) return shares;

  std::vector<Share> divided;
  if (groups >= open) {
    std::vector<std::string> lanes = urgent;
    lanes.insert(lanes.end(), best_effort.begin(), best_effort.end());
    divided = even(lanes, groups, !rest_is_taken, device);
  } else {
    divided = crowded(urgent, best_effort, groups, !rest_is_taken, device, config);
  }
  shares.insert(shares.end(), divided.begin(), divided.end());
  return shares;
}

}  // namespace

bool is_urgent(const PipelineConfig& config, const std::string& lane) {
  return std::ranges::any_of(config.engines, [&](const auto& engine) {
    return engine.deadline && (engine.lane == lane || is_beside(config, engine.lane, lane));
  });
}

std::vector<Share> divide(const PipelineConfig& config, const DeviceInfo& device) {
  auto shares = divide_among_own(config, device);
  for (auto& share : shares) {
    const auto own = share.lanes;
    for (const auto& lane : config.lanes) {
      if (!lane.beside.empty() && std::ranges::find(own, lane.beside) != own.end()) share.lanes.push_back(lane.name);
    }
  }
  return shares;
}

PipelineConfig divided(PipelineConfig config, const DeviceInfo& device) {
  const auto shares = divide(config, device);
  config.lanes.clear();
  for (const auto& share : shares) {
    for (const auto& name : share.lanes) {
      LaneConfig lane{.name = name, .units = {}, .beside = {}};
      if (name == share.lanes.front()) {
        lane.units = share.request.units;
      } else {
        lane.beside = share.lanes.front();
      }
      config.lanes.push_back(std::move(lane));
    }
  }
  return config;
}

}  // namespace greenlane::runtime

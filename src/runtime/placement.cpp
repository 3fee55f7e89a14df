#include "runtime/placement.hpp"

#include "core/cpu/thread_settings.hpp"
#include "core/device_state.hpp"
#include "runtime/division.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>

namespace greenlane::runtime {
namespace {

// Returns the lanes with deadlines, the shortest deadline first.
std::vector<std::string> by_urgency(const PipelineConfig& config) {
  std::map<std::string, Nanoseconds> shortest;
  for (const auto& engine : config.engines) {
    if (!engine.deadline) continue;
    const auto [entry, fresh] = shortest.emplace(engine.lane, *engine.deadline);
    if (!fresh) entry->second = std::min(entry->second, *engine.deadline);
  }
  std::vector<std::string> lanes;
  for (const auto& [lane, deadline] : shortest) lanes.push_back(lane);
  std::ranges::stable_sort(lanes, {}, [&](const std::string& lane) { return shortest.at(lane); });
  return lanes;
}

// Returns a lane's priority. On a GPU a more negative number is more urgent, and the driver clamps it to its range. On
// a CPU it is a nice value: less urgent lanes move up from the process's own value, because moving down needs
// privileges.
int priority_of(const std::string& lane, const std::vector<std::string>& urgent, DeviceKind kind) {
  constexpr int kNicenessStep = 5;
  constexpr int kMostNiceness = 19;
  const auto rank = std::ranges::find(urgent, lane);
  if (kind == DeviceKind::cuda) return -static_cast<int>(urgent.end() - rank);
  const int own = detail::own_niceness();
  const int lanes = static_cast<int>(urgent.size());
  // Takes smaller steps where the lanes do not all fit below the highest nice value.
  const int step = std::min(kNicenessStep, lanes > 0 ? std::max(1, (kMostNiceness - own) / lanes) : kNicenessStep);
  return std::min(own + step * static_cast<int>(rank - urgent.begin()), std::max(own, kMostNiceness));
}

std::vector<PartitionRequest> requests_of(const std::vector<Share>& shares) {
  std::vector<PartitionRequest> requests;
  for (const auto& share : shares) requests.push_back(share.request);
  return requests;
}

[[noreturn]] void refuse(const PipelineConfig& config, const PartitionError& error) {
  if (config.planned_for)
    throw ConfigError({.what = config.planned_for->plan.string() + ": the plan's lanes do not fit",
                       .why = error.what(),
                       .remedy = "make the plan again"});
  throw ConfigError({.what = config.file.string() + ": the lanes do not fit",
                     .why = error.what(),
                     .remedy = "change `units` under [lane.*]"});
}

std::map<std::string, Lane> on_partitions(const PipelineConfig& config, const Device& device) {
  const auto shares = divide(config, device.info());
  const auto urgent = by_urgency(config);
  const auto kind = device.id().kind;
  std::map<std::string, Lane> lanes;
  try {
    // Partitions divide a GPU's SMs, but not the hardware that hands work to them. Priorities there shorten the tail
    // even of an urgent lane that is alone on its partition. A CPU partition's cores serve nobody else, so a lane that
    // is alone on it is the partition's own lane.
    std::vector<Partition> partitions;
    {
      const auto made = device.partition(requests_of(shares));
      for (const auto& share : shares) {
        const Lane& first = made[share.request.name];
        if (share.lanes.size() == 1 && kind == DeviceKind::cpu) lanes.emplace(share.lanes.front(), first);
        partitions.push_back(first.partition().value());
      }
    }  // the partitions' other streams go before more are made, because each would take a hardware queue
    for (std::size_t i = 0; i < shares.size(); ++i) {
      for (const auto& name : shares[i].lanes) {
        if (lanes.contains(name)) continue;
        lanes.emplace(name, Lane::create(partitions[i], {.name = name, .priority = priority_of(name, urgent, kind)}));
      }
    }
  } catch (const PartitionError& error) {
    refuse(config, error);
  }
  return lanes;
}

}  // namespace

void require_lanes_fit(const PipelineConfig& config, const Device& device) {
  try {
    detail::device_state(device.id())->require_fit(requests_of(divide(config, device.info())));
  } catch (const PartitionError& error) {
    refuse(config, error);
  }
}

std::map<std::string, Lane> place(const PipelineConfig& config, const Device& device, Mode mode) {
  if (mode == Mode::lanes) return on_partitions(config, device);
  const auto urgent = by_urgency(config);
  std::map<std::string, Lane> lanes;
  for (const auto& lane : config.lanes) {
    LaneOptions options{.name = lane.name, .priority = {}};
    if (mode != Mode::shared) options.priority = priority_of(lane.name, urgent, device.id().kind);
    lanes.emplace(lane.name, Lane::create(device, options));
  }
  return lanes;
}

}  // namespace greenlane::runtime

#include "runtime/placement.hpp"

#include "core/cpu/thread_settings.hpp"
#include "runtime/division.hpp"

#include <greenlane/core/error.hpp>

#include <algorithm>

namespace greenlane::runtime {
namespace {

// Lanes with deadlines, the shortest first.
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

// On a GPU a more negative number is more urgent; the driver clamps it to what it has. On a CPU it is a nice value, and
// the less urgent are moved up from the process's own: moving down needs privileges.
int priority_of(const std::string& lane, const std::vector<std::string>& urgent, DeviceKind kind) {
  constexpr int kNicenessStep = 5;
  constexpr int kMostNiceness = 19;
  const auto place = std::ranges::find(urgent, lane);
  if (kind == DeviceKind::cuda) return -static_cast<int>(urgent.end() - place);
  const int own = detail::own_niceness();
  const int places = static_cast<int>(urgent.size());
  // Where they do not all fit below the nicest value in such steps, in smaller ones.
  const int step = std::min(kNicenessStep, places > 0 ? std::max(1, (kMostNiceness - own) / places) : kNicenessStep);
  return std::min(own + step * static_cast<int>(place - urgent.begin()), std::max(own, kMostNiceness));
}

std::map<std::string, Lane> on_partitions(const PipelineConfig& config, const Device& device) {
  const auto shares = divide(config, device.info());
  const auto urgent = by_urgency(config);
  const auto kind = device.id().kind;
  std::vector<PartitionRequest> requests;
  for (const auto& share : shares) requests.push_back(share.request);
  std::map<std::string, Lane> lanes;
  try {
    // Partitions divide a GPU's SMs, not what hands work to them: there, priorities shorten the tail of an urgent
    // lane that is alone on its own. A CPU's cores have nobody else, so that the partition's lane is the lane.
    std::vector<Partition> partitions;
    {
      const auto made = device.partition(requests);
      for (const auto& share : shares) {
        const Lane& first = made[share.request.name];
        if (share.lanes.size() == 1 && kind == DeviceKind::cpu) lanes.emplace(share.lanes.front(), first);
        partitions.push_back(first.partition().value());
      }
    }  // the other streams that came with the partitions are gone before more are made: they would take hardware queues
    for (std::size_t i = 0; i < shares.size(); ++i) {
      for (const auto& name : shares[i].lanes) {
        if (lanes.contains(name)) continue;
        lanes.emplace(name, Lane::create(partitions[i], {.name = name, .priority = priority_of(name, urgent, kind)}));
      }
    }
  } catch (const PartitionError& error) {
    throw ConfigError({.what = config.file.string() + ": the lanes do not fit",
                       .why = error.what(),
                       .remedy = "change `units` under [lane.*]"});
  }
  return lanes;
}

}  // namespace

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

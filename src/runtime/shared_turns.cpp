#include "runtime/shared_turns.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace greenlane::runtime {
namespace {

bool share_units(const Lane& one, const Lane& other) {
  return one.device().id() == other.device().id() && one.unit_set().overlaps(other.unit_set());
}

}  // namespace

void share_turns(const LoadedPipeline& pipeline, const PlacedPipeline& placed) {
  const auto& engines = pipeline.config().engines;
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < engines.size(); ++i) {
    if (engines[i].tenant.empty() || engines[i].deadline) continue;
    // The engine joins the groups that it shares units with to one.
    std::vector<std::size_t> joined{i};
    std::erase_if(groups, [&](const auto& group) {
      const bool meets =
          std::ranges::any_of(group, [&](auto other) { return share_units(placed.lane_of(i), placed.lane_of(other)); });
      if (meets) joined.insert(joined.end(), group.begin(), group.end());
      return meets;
    });
    groups.push_back(std::move(joined));
  }
  for (const auto& group : groups) {
    std::set<std::string> tenants;
    for (const auto engine : group) tenants.insert(engines[engine].tenant);
    if (tenants.size() < 2) continue;
    const auto turns = std::make_shared<FairTurns>();
    for (const auto engine : group) pipeline.engines()[engine]->take_turns(turns);
  }
}

}  // namespace greenlane::runtime

#include "core/graphs/kernel_targets.hpp"

#include <algorithm>

namespace greenlane::detail {

std::vector<KernelTarget> kernel_targets(const DeviceInfo& device, Units units) {
  std::vector<KernelTarget> targets{std::nullopt};
  if (units >= device.units) return targets;
  const auto add = [&](int count) {
    if (count > 0 && std::ranges::find(targets, KernelTarget(count)) == targets.end()) targets.emplace_back(count);
  };
  add(units.count);
  add(units.count - device.granularity.count / 2);
  // Only with the odd group is the count not a multiple of a whole group.
  if (device.granularity.count > 0 && units.count % device.granularity.count != 0 &&
      units.count > device.remainder.count)
    add(units.count - device.remainder.count);
  return targets;
}

}  // namespace greenlane::detail

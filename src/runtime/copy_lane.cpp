#include "runtime/copy_lane.hpp"

#include <map>
#include <mutex>

namespace greenlane::runtime {

Lane copy_lane(const Device& device) {
  static std::mutex mutex;
  // Never destroyed, because CUDA may be gone when static objects are.
  static auto& lanes = *new std::map<int, Lane>;  // NOLINT(cppcoreguidelines-owning-memory)
  const auto index = device.id().index;
  const std::scoped_lock lock(mutex);
  const auto found = lanes.find(index);
  if (found != lanes.end()) return found->second;
  return lanes.emplace(index, Lane::create(device, {.name = "copies", .priority = kAheadOfEngines})).first->second;
}

}  // namespace greenlane::runtime

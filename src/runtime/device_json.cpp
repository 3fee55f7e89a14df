#include "text/json_text.hpp"

#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/detail/runtime/device_json.hpp>

#include <nlohmann/json.hpp>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const DeviceInfo& device) {
  Json json;
  json["id"] = to_string(device.id);
  json["name"] = device.name;
  json["units"] = device.units.count;
  json["unit"] = device.id.kind == DeviceKind::cuda ? "SM" : "core";
  json["granularity"] = device.granularity.count;
  json["groups"] = device.groups;
  json["remainder"] = device.remainder.count;
  json["memory_bytes"] = device.memory_bytes;
  if (device.id.kind == DeviceKind::cuda) {
    json["compute_capability"] =
        std::to_string(device.compute_capability / 10) + "." + std::to_string(device.compute_capability % 10);
    json["driver_version"] = device.driver_version;
  }
  json["partitions"] = device.partition_obstacle.empty();
  if (!device.partition_obstacle.empty()) json["partition_obstacle"] = device.partition_obstacle;
  return json;
}

// Describes the device with its hardware queues in this process. A CPU has none.
Json described_here(const DeviceInfo& device) {
  Json json = describe(device);
  if (device.id.kind == DeviceKind::cuda) json["hardware_queues"] = hardware_queues(device.id).in_force;
  return json;
}

}  // namespace

std::string device_json(const DeviceInfo& device) { return text::json_text(describe(device), 2); }

std::string local_device_json(const DeviceInfo& device) { return text::json_text(described_here(device), 2); }

}  // namespace greenlane::runtime

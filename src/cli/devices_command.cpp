#include "cli/devices_command.hpp"

#include "cli/exit_status.hpp"
#include "cli/help_end.hpp"
#include "cli/say.hpp"
#include "text/table.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/detail/runtime/device_json.hpp>

#include <fmt/core.h>

#include <memory>

namespace greenlane::cli {
namespace {

void print_table(const std::vector<DeviceInfo>& devices) {
  text::Table table({"device", "name", "units", "groups", "memory", "queues"}, 2);
  for (const auto& device : devices) {
    std::string groups = fmt::format("{} × {}", device.groups, device.granularity.count);
    if (device.remainder.count > 0) groups += fmt::format(" + {}", device.remainder.count);
    if (!device.partition_obstacle.empty()) groups = "none";
    table.add({to_string(device.id), device.name, units_text(device.id.kind, device.units), groups,
               fmt::format("{:.0f} GiB", static_cast<double>(device.memory_bytes) / (1ULL << 30)),
               device.id.kind == DeviceKind::cuda ? std::to_string(hardware_queues(device.id).in_force) : "–"});
  }
  say("{}", table.to_string());
  for (const auto& device : devices) {
    if (!device.partition_obstacle.empty())
      say("{} cannot be divided: {}\n", to_string(device.id), device.partition_obstacle);
  }
}

int devices(bool json) {
  const auto devices = Device::enumerate();
  if (!json) {
    print_table(devices);
    return kSuccess;
  }
  std::string text;
  for (const auto& device : devices) text += (text.empty() ? "" : ",\n") + runtime::local_device_json(device);
  say("[{}]\n", text);
  return kSuccess;
}

}  // namespace

void add_devices_command(CLI::App& app, Work& work) {
  auto* command = app.add_subcommand("devices", "Lists the devices, their units, and how they can be divided");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->footer(
      help_end("a GPU's driver failed, or printing failed", {"greenlane devices", "greenlane devices --json"}));
  command->callback([json, &work] { work = [json] { return devices(*json); }; });
}

}  // namespace greenlane::cli

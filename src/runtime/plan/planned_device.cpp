#include "runtime/plan/planned_device.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/torch/versions.hpp>

#include <string>

namespace greenlane::runtime {
namespace {

std::string described(const std::string& name, DeviceKind kind, std::optional<Units> units) {
  std::string text = kind == DeviceKind::cuda ? "a GPU" : "a CPU";
  if (!name.empty()) text = name;
  if (units) text += " with " + units_text(kind, *units);
  return text;
}

}  // namespace

void require_planned_device(const PipelineConfig& config, const DeviceInfo& device) {
  if (!config.planned_for) return;
  const auto& planned = *config.planned_for;
  const auto kind = planned.kind.value_or(device.id.kind);
  const bool is_same = kind == device.id.kind && (planned.name.empty() || planned.name == device.name) &&
                       planned.units.value_or(device.units) == device.units;
  if (!is_same) {
    throw ConfigError({.what = planned.plan.string() + " is no plan for this device",
                       .why = "it is for " + described(planned.name, kind, planned.units) +
                              ", and the pipeline runs on " + described(device.name, device.id.kind, device.units),
                       .remedy = "make the plan again with `greenlane plan`, or take it all the same with "
                                 "--plan-of-another-device"});
  }
  if (planned.torch.empty() || planned.torch == torch_version()) return;
  warn(planned.plan.string() + " was made with PyTorch " + planned.torch + ", and this is PyTorch " +
       std::string(torch_version()) + ": kernels may take other times; make the plan again to be sure");
}

}  // namespace greenlane::runtime

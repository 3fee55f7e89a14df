#include "text/duration.hpp"
#include "text/json_text.hpp"
#include "text/kernel_name.hpp"

#include <greenlane/detail/runtime/long_kernel.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>  // for join(), which newer versions have there
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>

namespace greenlane::runtime {
namespace {

constexpr std::size_t kMostLetters = 70;

std::string time_text(const LongKernel& kernel) { return text::duration_text(text::to_microseconds(kernel.time)); }

// Returns "kernel 'a'", "kernel 'a' and 2 others", "a kernel" or "3 kernels".
std::string described(const LongKernel& kernel) {
  const int others = kernel.kernels - 1;
  if (kernel.name.empty()) return others == 0 ? "a kernel" : fmt::format("{} kernels", kernel.kernels);
  const auto name = fmt::format("kernel '{}'", text::shortened(kernel.name, kMostLetters));
  return others == 0 ? name : fmt::format("{} and {} other{}", name, others, others == 1 ? "" : "s");
}

// Returns the verb that a kernel has, or several kernels have.
std::string_view take(const LongKernel& kernel) { return kernel.kernels == 1 ? "takes" : "take"; }

// Returns the lane whose units a lane has in mode lanes.
std::string owner_of(const PipelineConfig& config, std::string lane) {
  for (std::size_t i = 0; i < config.lanes.size(); ++i) {
    const auto found = std::ranges::find(config.lanes, lane, &LaneConfig::name);
    if (found == config.lanes.end() || found->beside.empty()) break;
    lane = found->beside;
  }
  return lane;
}

// Returns "has units apart from 'a' and shares units with 'b', which waits for it"; empty if no engine is urgent.
std::string place_among_urgent(const PlanCandidate& plan, const EngineConfig& engine) {
  std::vector<std::string> apart;
  std::vector<std::string> beside;
  for (const auto& other : plan.config.engines) {
    if (!other.deadline) continue;
    const bool shares =
        plan.mode != Mode::lanes || owner_of(plan.config, other.lane) == owner_of(plan.config, engine.lane);
    (shares ? beside : apart).push_back("'" + other.name + "'");
  }
  std::string place;
  if (!apart.empty()) place = fmt::format("has units apart from {}", fmt::join(apart, ", "));
  if (!beside.empty())
    place += fmt::format("{}shares units with {}, which {} for it", place.empty() ? "" : " and ",
                         fmt::join(beside, ", "), beside.size() == 1 ? "waits" : "wait");
  return place;
}

}  // namespace

std::string long_kernel_json(const std::optional<LongKernel>& kernel) {
  if (!kernel) return "null";
  nlohmann::ordered_json json;
  if (!kernel->name.empty()) json["name"] = kernel->name;
  json["time_us"] = text::to_microseconds(kernel->time);
  json["kernels"] = kernel->kernels;
  return text::json_text(json);
}

std::string long_kernel_text(const ProfiledKernel& kernel, DeviceKind kind) {
  return fmt::format("{} {} {} on {} and cannot be cut", described(kernel.kernel), take(kernel.kernel),
                     time_text(kernel.kernel), units_text(kind, kernel.units));
}

std::vector<std::string> long_kernel_advice(const ModeResult& result) {
  std::vector<std::string> lines;
  for (const auto& engine : result.engines) {
    if (!engine.delays_urgent || !engine.graphs || !engine.graphs->long_kernel) continue;
    const auto& kernel = *engine.graphs->long_kernel;
    lines.push_back(
        fmt::format("engine '{0}': {1} {2} {3} and cannot be cut: urgent engines wait for it; give '{0}' units of its "
                    "own ([lane.{4}] units = …), or let greenlane plan divide the device",
                    engine.name, described(kernel), take(kernel), time_text(kernel), engine.lane));
  }
  return lines;
}

PlanResult with_reasons(PlanResult result, const Profile& profile) {
  const auto& plan = result.candidates.at(result.chosen);
  for (const auto& engine : plan.config.engines) {
    const auto known = std::ranges::find(profile.engines, engine.name, &EngineProfile::name);
    if (engine.deadline || known == profile.engines.end()) continue;
    const auto& kernel = known->long_kernel;
    const auto place = place_among_urgent(plan, engine);
    if (!kernel || place.empty()) continue;
    result.reasons.push_back(
        fmt::format("engine '{}' {}: {}", engine.name, place, long_kernel_text(*kernel, profile.device.id.kind)));
  }
  return result;
}

}  // namespace greenlane::runtime

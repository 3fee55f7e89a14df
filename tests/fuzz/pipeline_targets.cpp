// The files of pipelines: configurations, plans and profiles.
#include "fuzz/target.hpp"
#include "runtime/division.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace greenlane::fuzz {
namespace {

using namespace runtime;

void require_times(const EngineConfig& engine) {
  for (const auto& time : {engine.period, engine.deadline, engine.slice})
    require(!time || time->count() > 0, "times are positive");
  require(std::isfinite(engine.weight) && engine.weight > 0, "weights are positive");
}

// Checks the properties that every pipeline relies on.
void require_sound(const PipelineConfig& config) {
  require(!config.engines.empty(), "a configuration has an engine");
  for (const auto& engine : config.engines) {
    require(!engine.name.empty() && !engine.lane.empty(), "engines and lanes have names");
    require_times(engine);
    require(std::ranges::find(config.lanes, engine.lane, &LaneConfig::name) != config.lanes.end(),
            "an engine's lane exists");
    require(std::ranges::count(config.engines, engine.name, &EngineConfig::name) == 1,
            "each engine has a different name");
  }
  for (const auto& lane : config.lanes) {
    require(!lane.name.empty(), "lanes have names");
    require(std::ranges::count(config.lanes, lane.name, &LaneConfig::name) == 1, "each lane has a different name");
    require(!lane.units || lane.units->is_rest() || lane.units->units().count > 0, "lanes have units");
    if (lane.beside.empty()) continue;
    const auto other = std::ranges::find(config.lanes, lane.beside, &LaneConfig::name);
    require(other != config.lanes.end() && other->beside.empty(), "a lane is beside a lane that is beside no other");
  }
  DeviceInfo device;
  device.id = {DeviceKind::cpu, 0};
  for (const int cores : {1, 2, 7}) {
    device.groups = cores;
    device.units = {cores};
    device.granularity = {1};
    std::size_t lanes = 0;
    for (const auto& share : divide(config, device)) lanes += share.lanes.size();
    require(lanes == config.lanes.size(), "each lane has one share");
  }
}

template <typename Read>
auto read(const Read& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error& error) {
    require_message(error.what());
    return {};
  }
}

PipelineConfig three_engines() {
  PipelineConfig config;
  config.file = "robot.toml";
  for (const std::string name : {"policy", "vision", "head"}) {
    EngineConfig engine;
    engine.name = engine.lane = name;
    if (name != "head") engine.period = engine.deadline = std::chrono::milliseconds(10);
    config.engines.push_back(std::move(engine));
    config.lanes.push_back({.name = name, .units = {}});
  }
  return config;
}

}  // namespace

void read_toml(std::string_view input) {
  const auto config = read([&] { return load_config(path_with(input), NamedFiles::may_be_missing); });
  if (config) require_sound(*config);
}

void read_plan(std::string_view input) {
  auto config = three_engines();
  const auto mode = read([&] { return apply_plan(config, path_with(input)); });
  if (!mode) {
    require(config.lanes.size() == 3 && config.lanes.front().name == "policy",
            "a plan that is refused changes nothing");
    return;
  }
  require(mode_named(to_string(*mode)) == *mode, "a plan has a mode");
  require_sound(config);
}

void read_profile(std::string_view input) {
  const auto profile = read([&] { return runtime::read_profile(std::string(input), "the profile"); });
  if (!profile) return;
  const auto again = read([&] { return runtime::read_profile(profile_json(*profile), "what was written"); });
  require(again.has_value() && again->engines.size() == profile->engines.size(), "a written profile can be read");
  auto request = read([&] { return plan_request(three_engines(), *profile); });
  if (!request) return;
  request->most_steps = 20'000;
  if (request->device.whole > 64) return;  // more groups take long and reach no other code
  const auto result = read([&] { return plan_without_device(three_engines(), *request); });
  if (!result) return;
  auto config = result->candidates.front().config;
  require_sound(config);
  (void)apply_plan(config, path_with(plan_json(*result, profile->device)));
}

}  // namespace greenlane::fuzz

#include <greenlane/core/error.hpp>
#include <greenlane/runtime/config.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>

namespace greenlane::runtime {
namespace {

using nlohmann::json;

UnitRequest units_of(const json& value) {
  if (value.is_string() && value.get<std::string>() == "rest") return rest;
  return {value.get<int>()};
}

}  // namespace

void apply_plan(PipelineConfig& config, const std::filesystem::path& plan) {
  const auto fail = [&](const std::string& why, const std::string& remedy) {
    throw ConfigError(
        {.what = plan.string() + " is no plan for " + config.file.string(), .why = why, .remedy = remedy});
  };
  std::ifstream stream(plan);
  if (!stream) fail("there is no such file", "check the path given to --plan");
  try {
    const json document = json::parse(stream);
    std::vector<LaneConfig> lanes;
    for (const auto& lane : document.at("lanes")) {
      LaneConfig entry{.name = lane.at("name").get<std::string>(), .units = {}};
      if (lane.contains("units")) entry.units = units_of(lane.at("units"));
      lanes.push_back(std::move(entry));
    }
    for (auto& engine : config.engines) {
      const auto& engines = document.at("engines");
      const auto entry = std::ranges::find_if(engines, [&](const json& e) { return e.at("name") == engine.name; });
      if (entry == engines.end())
        fail("it does not say where engine '" + engine.name + "' runs", "make a plan for this configuration");
      engine.lane = entry->at("lane").get<std::string>();
      if (std::ranges::find(lanes, engine.lane, &LaneConfig::name) == lanes.end()) {
        fail("engine '" + engine.name + "' is on lane '" + engine.lane + "', which is not among its lanes",
             "make the plan again");
      }
    }
    config.lanes = std::move(lanes);
  } catch (const json::exception& error) {
    fail(error.what(), "a plan is JSON: {\"lanes\": [{\"name\", \"units\"}], \"engines\": [{\"name\", \"lane\"}]}");
  }
}

}  // namespace greenlane::runtime

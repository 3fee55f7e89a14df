#include <greenlane/core/error.hpp>
#include <greenlane/runtime/config.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>

namespace greenlane::runtime {
namespace {

using nlohmann::json;

const char* const kMakeAPlan = "make a plan for this configuration";

// Absent where `value` is neither a positive whole number nor "rest".
std::optional<UnitRequest> units_of(const json& value) {
  if (value == "rest") return UnitRequest(rest);
  if (!value.is_number_integer() || value.get<std::int64_t>() < 1 || value.get<std::int64_t>() > 1'000'000) return {};
  return UnitRequest(value.get<int>());
}

}  // namespace

std::string apply_plan(PipelineConfig& config, const std::filesystem::path& plan) {
  const auto fail = [&](const std::string& why, const std::string& remedy) {
    throw ConfigError(
        {.what = plan.string() + " is no plan for " + config.file.string(), .why = why, .remedy = remedy});
  };
  std::ifstream stream(plan);
  if (!stream) fail("there is no such file", "check the path given to --plan");
  std::string mode;
  PipelineConfig planned = config;  // so that a plan that does not fit changes nothing
  try {
    const json document = json::parse(stream);
    mode = document.value("mode", "lanes");
    planned.lanes.clear();
    for (const auto& lane : document.at("lanes")) {
      LaneConfig entry{.name = lane.at("name").get<std::string>(), .units = {}};
      if (lane.contains("units")) {
        entry.units = units_of(lane.at("units"));
        if (!entry.units) fail("lane '" + entry.name + "' has no sensible number of units", "make the plan again");
      }
      entry.beside = lane.value("beside", "");
      planned.lanes.push_back(std::move(entry));
    }
    const auto& engines = document.at("engines");
    for (const auto& entry : engines) {
      const auto name = entry.at("name").get<std::string>();
      const auto engine = std::ranges::find(planned.engines, name, &EngineConfig::name);
      if (engine == planned.engines.end()) {
        fail("it places engine '" + name + "', which the configuration does not have", kMakeAPlan);
      }
      engine->lane = entry.at("lane").get<std::string>();
      engine->takes_turns = entry.contains("gated") && !entry.at("gated").get<bool>();
      if (entry.contains("slice_us")) engine->slice = from_seconds(1e-6 * entry.at("slice_us").get<double>());
      if (std::ranges::find(planned.lanes, engine->lane, &LaneConfig::name) == planned.lanes.end()) {
        fail("engine '" + name + "' is on lane '" + engine->lane + "', which is not among its lanes",
             "make the plan again");
      }
    }
    for (const auto& engine : config.engines) {
      if (std::ranges::none_of(engines, [&](const json& entry) { return entry.at("name") == engine.name; })) {
        fail("it does not say where engine '" + engine.name + "' runs", kMakeAPlan);
      }
    }
    std::erase_if(planned.lanes, [&](const LaneConfig& lane) {
      return std::ranges::find(planned.engines, lane.name, &EngineConfig::lane) == planned.engines.end();
    });
    for (const auto& lane : planned.lanes) {
      if (lane.beside.empty()) continue;
      const auto other = std::ranges::find(planned.lanes, lane.beside, &LaneConfig::name);
      if (other == planned.lanes.end() || !other->beside.empty() || lane.units) {
        fail("lane '" + lane.name + "' is beside '" + lane.beside + "', which has no units of its own or no engine",
             "make the plan again");
      }
    }
  } catch (const json::exception& error) {
    fail(error.what(), R"(a plan is JSON: {"lanes": [{"name", "units"}], "engines": [{"name", "lane"}]})");
  }
  config = std::move(planned);
  return mode;
}

}  // namespace greenlane::runtime

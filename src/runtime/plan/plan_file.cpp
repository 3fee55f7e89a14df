#include "core/named_file.hpp"
#include "text/json_numbers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/pipeline.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace greenlane::runtime {
namespace {

using nlohmann::json;

const char* const kMakeAPlan = "make a plan for this configuration";
const char* const kMakeItAgain = "make the plan again";
constexpr std::int64_t kMostUnits = 1'000'000;
// Units: microseconds.
constexpr double kShortestSlice = 1e-3;
constexpr double kLongestSlice = 1e6;

// Returns the units; absent where `value` is neither a positive whole number nor "rest".
std::optional<UnitRequest> units_of(const json& value) {
  if (value == "rest") return UnitRequest(rest);
  const auto count = text::whole_number(value, 1, kMostUnits);
  return count ? std::optional(UnitRequest(static_cast<int>(*count))) : std::nullopt;
}

// Reads the device that the plan was made for. Calls `fail` where its number of units is not sensible.
// Throws: json::exception where a field has another type.
template <typename Fail>
PlannedDevice device_of(const json& document, const std::filesystem::path& plan, const Fail& fail) {
  PlannedDevice device{.plan = plan};
  if (document.contains("device") && !document.at("device").is_null()) {
    const auto& entry = document.at("device");
    const auto id = entry.value("id", "");
    if (id == "cpu" || id.starts_with("cuda")) device.kind = id == "cpu" ? DeviceKind::cpu : DeviceKind::cuda;
    device.name = entry.value("name", "");
    if (entry.contains("units")) {
      const auto units = text::whole_number(entry.at("units"), 1, kMostUnits);
      if (!units) fail("its device has no sensible number of units", kMakeAPlan);
      device.units = Units{static_cast<int>(units.value())};
    }
  }
  if (document.contains("versions") && !document.at("versions").is_null())
    device.torch = document.at("versions").value("torch", "");
  return device;
}

template <typename Fail>
std::vector<LaneConfig> lanes_of(const json& document, const Fail& fail) {
  std::vector<LaneConfig> lanes;
  for (const auto& lane : document.at("lanes")) {
    LaneConfig entry{.name = lane.at("name").get<std::string>(), .units = {}};
    if (entry.name.empty()) fail("the name of a lane is empty", kMakeItAgain);
    if (std::ranges::find(lanes, entry.name, &LaneConfig::name) != lanes.end())
      fail("two of its lanes are named '" + entry.name + "'", kMakeItAgain);
    if (lane.contains("units")) {
      entry.units = units_of(lane.at("units"));
      if (!entry.units) fail("lane '" + entry.name + "' has no sensible number of units", kMakeItAgain);
    }
    entry.beside = lane.value("beside", "");
    lanes.push_back(std::move(entry));
  }
  return lanes;
}

// Sets what the plan says of one engine.
template <typename Fail>
void set_engine(EngineConfig& engine, const json& entry, const std::vector<LaneConfig>& lanes, const Fail& fail) {
  engine.lane = entry.at("lane").get<std::string>();
  engine.takes_turns = entry.contains("gated") && !entry.at("gated").get<bool>();
  if (entry.contains("slice_us")) {
    const auto slice = text::number(entry.at("slice_us"), kShortestSlice, kLongestSlice);
    if (!slice) fail("the slice_us of engine '" + engine.name + "' is no time from 0.001 to 1000000 µs", kMakeItAgain);
    engine.slice = from_seconds(1e-6 * slice.value());
  }
  if (std::ranges::find(lanes, engine.lane, &LaneConfig::name) == lanes.end()) {
    fail("engine '" + engine.name + "' is on lane '" + engine.lane + "', which is not among its lanes", kMakeItAgain);
  }
}

// Sets the lane of every engine. The plan must name each engine once.
template <typename Fail>
void set_engines(PipelineConfig& config, const json& document, const Fail& fail) {
  std::vector<std::string> placed;
  for (const auto& entry : document.at("engines")) {
    const auto name = entry.at("name").get<std::string>();
    const auto engine = std::ranges::find(config.engines, name, &EngineConfig::name);
    if (engine == config.engines.end())
      fail("it places engine '" + name + "', which the configuration does not have", kMakeAPlan);
    if (std::ranges::count(placed, name) != 0) fail("it places engine '" + name + "' twice", kMakeItAgain);
    placed.push_back(name);
    set_engine(*engine, entry, config.lanes, fail);
  }
  for (const auto& engine : config.engines) {
    if (std::ranges::count(placed, engine.name) == 0)
      fail("it does not say where engine '" + engine.name + "' runs", kMakeAPlan);
  }
}

// Checks that each lane beside another shares the units of a lane that has some.
template <typename Fail>
void check_neighbours(const std::vector<LaneConfig>& lanes, const Fail& fail) {
  for (const auto& lane : lanes) {
    if (lane.beside.empty()) continue;
    const auto other = std::ranges::find(lanes, lane.beside, &LaneConfig::name);
    if (other == lanes.end() || !other->beside.empty() || lane.units) {
      fail("lane '" + lane.name + "' is beside '" + lane.beside + "', which has no units of its own or no engine",
           kMakeItAgain);
    }
  }
}

}  // namespace

Mode apply_plan(PipelineConfig& config, const std::filesystem::path& plan) {
  const auto fail = [&](const std::string& why, const std::string& remedy) {
    throw ConfigError(
        {.what = plan.string() + " is no plan for " + config.file.string(), .why = why, .remedy = remedy});
  };
  const auto text = detail::read_named_file(plan, plan.string() + " is no plan for " + config.file.string(),
                                            "check the path given to --plan");
  std::optional<Mode> mode;
  PipelineConfig planned = config;  // a copy, so that a plan that does not fit changes nothing
  try {
    const json document = json::parse(text);
    const auto name = document.value("mode", "lanes");
    mode = mode_named(name);
    if (!mode) fail("its mode is '" + name + "'", "a plan is for one of the modes lanes, gates, shared and priority");
    planned.planned_for = device_of(document, plan, fail);
    planned.lanes = lanes_of(document, fail);
    set_engines(planned, document, fail);
    std::erase_if(planned.lanes, [&](const LaneConfig& lane) {
      return std::ranges::find(planned.engines, lane.name, &EngineConfig::lane) == planned.engines.end();
    });
    check_neighbours(planned.lanes, fail);
  } catch (const json::exception& error) {
    fail(error.what(), R"(a plan is JSON: {"lanes": [{"name", "units"}], "engines": [{"name", "lane"}]})");
  }
  config = std::move(planned);
  return mode.value();
}

}  // namespace greenlane::runtime

#include "core/named_file.hpp"
#include "runtime/json_object.hpp"
#include "runtime/lane_rules.hpp"
#include "runtime/most_units.hpp"
#include "text/json_numbers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace greenlane::runtime {
namespace {

const char* const kMakeAPlan = "make a plan for this configuration";
const char* const kMakeItAgain = "make the plan again";
const char* const kForm = R"(a plan is JSON: {"lanes": [{"name", "units"}], "engines": [{"name", "lane"}]})";
// Units: microseconds.
constexpr double kShortestSlice = 1e-3;
constexpr double kLongestSlice = 1e6;

// Returns the units; absent where `value` is neither a positive whole number nor "rest".
std::optional<UnitRequest> units_of(const nlohmann::json& value) {
  if (value == "rest") return UnitRequest(rest);
  const auto count = text::whole_number(value, 1, kMostUnits);
  return count ? std::optional(UnitRequest(static_cast<int>(*count))) : std::nullopt;
}

// Reads the device that the plan was made for.
PlannedDevice device_of(JsonObject& document, const std::filesystem::path& plan) {
  PlannedDevice device{.plan = plan};
  if (auto entry = document.child("device")) {
    if (const auto id = entry->optional_text("id")) {
      try {
        device.kind = DeviceId::parse(*id).kind;
      } catch (const DeviceError&) {
        entry->refuse("id", "device: cpu or cuda:N");
      }
    }
    device.name = entry->optional_text("name").value_or("");
    if (const auto* const value = entry->find("units")) {
      const auto units = text::whole_number(*value, 1, kMostUnits);
      if (!units) document.file().fail("its device has no sensible number of units", kMakeAPlan);
      device.units = Units{static_cast<int>(units.value())};
    }
    entry->note_unknown({"unit", "granularity", "groups", "remainder", "memory_bytes", "compute_capability",
                         "driver_version", "partitions", "partition_obstacle"});
  }
  if (auto versions = document.child("versions")) {
    device.torch = versions->optional_text("torch").value_or("");
    versions->note_unknown({"greenlane", "cuda", "driver"});
  }
  return device;
}

LaneConfig lane_of(JsonObject& lane) {
  LaneConfig entry{.name = lane.text("name"), .units = {}};
  if (const auto* const units = lane.find("units")) {
    entry.units = units_of(*units);
    if (!entry.units) lane.file().fail("lane '" + entry.name + "' has no sensible number of units", kMakeItAgain);
  }
  entry.beside = lane.optional_text("beside").value_or("");
  entry.device = lane.optional_text("device").value_or("");
  if (const auto why = why_no_lane_device(entry.device); !why.empty())
    lane.file().fail("lane '" + entry.name + "': " + why, kLaneDeviceRemedy);
  lane.note_unknown();
  return entry;
}

std::vector<LaneConfig> lanes_of(JsonObject& document) {
  std::vector<LaneConfig> lanes;
  for (auto& lane : document.children("lanes")) {
    auto entry = lane_of(lane);
    if (std::ranges::find(lanes, entry.name, &LaneConfig::name) != lanes.end())
      document.file().fail("two of its lanes are named '" + entry.name + "'", kMakeItAgain);
    lanes.push_back(std::move(entry));
  }
  return lanes;
}

// Sets what the plan says of one engine.
void set_engine(EngineConfig& engine, JsonObject& entry, const std::vector<LaneConfig>& lanes) {
  const auto& file = entry.file();
  engine.lane = entry.text("lane");
  engine.takes_turns = !entry.flag("gated", true);
  if (const auto* const value = entry.find("slice_us")) {
    const auto slice = text::number(*value, kShortestSlice, kLongestSlice);
    if (!slice)
      file.fail("the slice_us of engine '" + engine.name + "' is no time from 0.001 to 1000000 µs", kMakeItAgain);
    engine.slice = from_seconds(1e-6 * slice.value());
  }
  if (std::ranges::find(lanes, engine.lane, &LaneConfig::name) == lanes.end()) {
    file.fail("engine '" + engine.name + "' is on lane '" + engine.lane + "', which is not among its lanes",
              kMakeItAgain);
  }
  entry.note_unknown({"predicted", "measured"});
}

// Sets the lane of every engine. The plan must name each engine once.
void set_engines(PipelineConfig& config, JsonObject& document) {
  const auto& file = document.file();
  std::vector<std::string> placed;
  for (auto& entry : document.children("engines")) {
    const auto name = entry.text("name");
    const auto engine = std::ranges::find(config.engines, name, &EngineConfig::name);
    if (engine == config.engines.end())
      file.fail("it places engine '" + name + "', which the configuration does not have", kMakeAPlan);
    if (std::ranges::count(placed, name) != 0) file.fail("it places engine '" + name + "' twice", kMakeItAgain);
    placed.push_back(name);
    set_engine(*engine, entry, config.lanes);
  }
  for (const auto& engine : config.engines) {
    if (std::ranges::count(placed, engine.name) == 0)
      file.fail("it does not say where engine '" + engine.name + "' runs", kMakeAPlan);
  }
}

}  // namespace

Mode apply_plan(PipelineConfig& config, const std::filesystem::path& plan) {
  const auto fault = plan.string() + " is no plan for " + config.file.string();
  const auto text = detail::read_named_file(plan, fault, "check the path of the plan");
  JsonFile file(plan.string(), fault, kForm);
  const auto parsed = file.parse(text);
  JsonObject document(parsed, "", file);
  PipelineConfig planned = config;  // a copy, so that a plan that does not fit changes nothing
  const auto name = document.optional_text("mode").value_or("lanes");
  const auto mode = mode_named(name);
  if (!mode)
    file.fail("its mode is '" + name + "'", "a plan is for one of the modes lanes, gates, shared and priority");
  planned.planned_for = device_of(document, plan);
  planned.lanes = lanes_of(document);
  set_engines(planned, document);
  std::erase_if(planned.lanes, [&](const LaneConfig& lane) {
    return std::ranges::find(planned.engines, lane.name, &EngineConfig::lane) == planned.engines.end();
  });
  settle_neighbours(planned.lanes, planned.device,
                    [&](const LaneConfig& lane, const std::string& why, const std::string& remedy) {
                      file.fail("lane '" + lane.name + "' is beside '" + lane.beside + "': " + why, remedy);
                    });
  document.note_unknown(
      {"paths", "predicted", "measured", "margin", "contention", "corrections", "reasons", "candidates"});
  file.warn_of_unknown();
  config = std::move(planned);
  return mode.value();
}

}  // namespace greenlane::runtime

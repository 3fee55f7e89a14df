#include "core/named_file.hpp"
#include "runtime/most_units.hpp"
#include "text/json_numbers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/results.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <utility>

namespace greenlane::runtime {
namespace {

using PlanText = nlohmann::json;

const char* const kMakeAPlan = "make a plan for this configuration";
const char* const kMakeItAgain = "make the plan again";
const char* const kForm = R"(a plan is JSON: {"lanes": [{"name", "units"}], "engines": [{"name", "lane"}]})";
// Units: microseconds.
constexpr double kShortestSlice = 1e-3;
constexpr double kLongestSlice = 1e6;

// Returns the units; absent where `value` is neither a positive whole number nor "rest".
std::optional<UnitRequest> units_of(const PlanText& value) {
  if (value == "rest") return UnitRequest(rest);
  const auto count = text::whole_number(value, 1, kMostUnits);
  return count ? std::optional(UnitRequest(static_cast<int>(*count))) : std::nullopt;
}

// Throws a fault of the plan: its cause, and the remedy.
using Fail = std::function<void(const std::string& why, const std::string& remedy)>;

// An object in the plan. A value that is missing or of another type is a fault, which names the key.
class Fields {
 public:
  Fields(const PlanText& value, std::string path, const Fail& fail)
      : value_(value), path_(std::move(path)), fail_(fail) {
    if (!value_.is_object()) fail_((path_.empty() ? "it" : "'" + path_ + "'") + " is no object", kForm);
  }

  // Returns a value of any type; null if it is absent.
  [[nodiscard]] const PlanText* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() ? nullptr : &*found;
  }
  [[nodiscard]] std::string text(const char* key) const {
    const auto* const value = find(key);
    if (!value || !value->is_string()) refuse(key, value, "a text");
    return value->get<std::string>();
  }
  [[nodiscard]] std::string text(const char* key, const char* if_absent) const {
    return find(key) ? text(key) : if_absent;
  }
  [[nodiscard]] bool flag(const char* key, bool if_absent) const {
    const auto* const value = find(key);
    if (!value) return if_absent;
    if (!value->is_boolean()) refuse(key, value, "true or false");
    return value->get<bool>();
  }
  // Returns an object; nothing if it is absent or null.
  [[nodiscard]] std::optional<Fields> child(const char* key) const {
    const auto* const value = find(key);
    if (!value || value->is_null()) return std::nullopt;
    return Fields(*value, path_of(key), fail_);
  }
  // Returns the objects of a list.
  [[nodiscard]] std::vector<Fields> children(const char* key) const {
    const auto* const value = find(key);
    if (!value || !value->is_array()) refuse(key, value, "a list");
    std::vector<Fields> all;
    for (const auto& each : *value)
      all.emplace_back(each, path_of(key) + "[" + std::to_string(all.size()) + "]", fail_);
    return all;
  }

 private:
  [[nodiscard]] std::string path_of(const char* key) const { return path_.empty() ? key : path_ + "." + key; }
  void refuse(const char* key, const PlanText* value, const char* wanted) const {
    fail_("'" + path_of(key) + "'" + (value ? std::string(" is not ") + wanted : " is missing"), kForm);
  }

  const PlanText& value_;
  std::string path_;
  const Fail& fail_;
};

// Reads the device that the plan was made for.
PlannedDevice device_of(const Fields& document, const std::filesystem::path& plan, const Fail& fail) {
  PlannedDevice device{.plan = plan};
  if (const auto entry = document.child("device")) {
    const auto id = entry->text("id", "");
    if (id == "cpu" || id.starts_with("cuda")) device.kind = id == "cpu" ? DeviceKind::cpu : DeviceKind::cuda;
    device.name = entry->text("name", "");
    if (const auto* const value = entry->find("units")) {
      const auto units = text::whole_number(*value, 1, kMostUnits);
      if (!units) fail("its device has no sensible number of units", kMakeAPlan);
      device.units = Units{static_cast<int>(units.value())};
    }
  }
  if (const auto versions = document.child("versions")) device.torch = versions->text("torch", "");
  return device;
}

std::vector<LaneConfig> lanes_of(const Fields& document, const Fail& fail) {
  std::vector<LaneConfig> lanes;
  for (const auto& lane : document.children("lanes")) {
    LaneConfig entry{.name = lane.text("name"), .units = {}};
    if (entry.name.empty()) fail("the name of a lane is empty", kMakeItAgain);
    if (std::ranges::find(lanes, entry.name, &LaneConfig::name) != lanes.end())
      fail("two of its lanes are named '" + entry.name + "'", kMakeItAgain);
    if (const auto* const units = lane.find("units")) {
      entry.units = units_of(*units);
      if (!entry.units) fail("lane '" + entry.name + "' has no sensible number of units", kMakeItAgain);
    }
    entry.beside = lane.text("beside", "");
    entry.device = lane.text("device", "");
    lanes.push_back(std::move(entry));
  }
  return lanes;
}

// Sets what the plan says of one engine.
void set_engine(EngineConfig& engine, const Fields& entry, const std::vector<LaneConfig>& lanes, const Fail& fail) {
  engine.lane = entry.text("lane");
  engine.takes_turns = !entry.flag("gated", true);
  if (const auto* const value = entry.find("slice_us")) {
    const auto slice = text::number(*value, kShortestSlice, kLongestSlice);
    if (!slice) fail("the slice_us of engine '" + engine.name + "' is no time from 0.001 to 1000000 µs", kMakeItAgain);
    engine.slice = from_seconds(1e-6 * slice.value());
  }
  if (std::ranges::find(lanes, engine.lane, &LaneConfig::name) == lanes.end()) {
    fail("engine '" + engine.name + "' is on lane '" + engine.lane + "', which is not among its lanes", kMakeItAgain);
  }
}

// Sets the lane of every engine. The plan must name each engine once.
void set_engines(PipelineConfig& config, const Fields& document, const Fail& fail) {
  std::vector<std::string> placed;
  for (const auto& entry : document.children("engines")) {
    const auto name = entry.text("name");
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
void check_neighbours(const std::vector<LaneConfig>& lanes, const Fail& fail) {
  for (const auto& lane : lanes) {
    if (lane.beside.empty()) continue;
    if (lane.units) {
      fail("lane '" + lane.name + "' has units, and is beside '" + lane.beside + "', which means that lane's units",
           kMakeItAgain);
    }
    const auto other = std::ranges::find(lanes, lane.beside, &LaneConfig::name);
    if (other == lanes.end() || !other->beside.empty()) {
      fail("lane '" + lane.name + "' is beside '" + lane.beside + "', which has no units of its own or no engine",
           kMakeItAgain);
    }
  }
}

}  // namespace

Mode apply_plan(PipelineConfig& config, const std::filesystem::path& plan) {
  const Fail fail = [&](const std::string& why, const std::string& remedy) {
    throw ConfigError(
        {.what = plan.string() + " is no plan for " + config.file.string(), .why = why, .remedy = remedy});
  };
  const auto text = detail::read_named_file(plan, plan.string() + " is no plan for " + config.file.string(),
                                            "check the path of the plan");
  std::optional<Mode> mode;
  PipelineConfig planned = config;  // a copy, so that a plan that does not fit changes nothing
  try {
    const PlanText parsed = PlanText::parse(text);
    const Fields document(parsed, "", fail);
    const auto name = document.text("mode", "lanes");
    mode = mode_named(name);
    if (!mode) fail("its mode is '" + name + "'", "a plan is for one of the modes lanes, gates, shared and priority");
    planned.planned_for = device_of(document, plan, fail);
    planned.lanes = lanes_of(document, fail);
    set_engines(planned, document, fail);
    std::erase_if(planned.lanes, [&](const LaneConfig& lane) {
      return std::ranges::find(planned.engines, lane.name, &EngineConfig::lane) == planned.engines.end();
    });
    check_neighbours(planned.lanes, fail);
  } catch (const PlanText::exception& error) {
    fail(error.what(), kForm);
  }
  config = std::move(planned);
  return mode.value();
}

}  // namespace greenlane::runtime

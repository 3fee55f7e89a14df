#include "core/named_file.hpp"
#include "runtime/json_object.hpp"
#include "runtime/most_units.hpp"
#include "text/json_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/device_json.hpp>
#include <greenlane/detail/runtime/long_kernel.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/report.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const EngineProfile& engine) {
  Json curve = Json::array();
  for (const auto& point : engine.curve) {
    auto& written = curve.emplace_back(Json{{"units", point.units.count},
                                            {"p50_us", point.p50.count()},
                                            {"p99_us", point.p99.count()},
                                            {"mean_us", point.mean.count()},
                                            {"requests", point.requests}});
    if (point.device) written["device_us"] = point.device->count();
  }
  Json gated = Json::array();
  for (const auto& point : engine.gated) {
    gated.push_back({{"units", point.units.count},
                     {"in_flight_us", point.in_flight.count()},
                     {"overhead", point.overhead},
                     {"slices", point.slices}});
  }
  Json json{{"name", engine.name}, {"curve", std::move(curve)}, {"gated", std::move(gated)}};
  if (engine.batch_rows) json["batch_rows"] = *engine.batch_rows;
  if (const auto& known = engine.long_kernel) {
    json["long_kernel"] = Json::parse(long_kernel_json(known->kernel));
    json["long_kernel"]["units"] = known->units.count;
  }
  return json;
}

constexpr std::int64_t kMostRequests = std::int64_t{1} << 53;
constexpr double kLongest = 1e12;  // microseconds: eleven days

int units_at(JsonObject& from, const char* key, std::int64_t least) {
  return static_cast<int>(from.whole(key, least, kMostUnits));
}

Microseconds time_at(JsonObject& from, const char* key) {
  return Microseconds(
      from.number(key, "time above 0 and up to 1e12 µs", [](double time) { return time > 0 && time <= kLongest; }));
}

DeviceInfo device_of(JsonObject json) {
  DeviceInfo device;
  const auto id = json.text("id");
  try {
    device.id = DeviceId::parse(id);
  } catch (const DeviceError&) {
    json.refuse("id", "device: cpu or cuda:N");
  }
  device.name = json.text("name");
  device.units = {units_at(json, "units", 1)};
  device.granularity = {units_at(json, "granularity", 0)};
  device.groups = units_at(json, "groups", 0);
  device.remainder = {units_at(json, "remainder", 0)};
  const auto obstacle = json.optional_text("partition_obstacle");
  if (!json.flag("partitions")) {
    device.partition_obstacle = obstacle.value_or("it had none");
  } else if (std::int64_t{device.groups} * device.granularity.count + device.remainder.count != device.units.count) {
    json.file().fail("its device's groups are not its units");
  }
  json.note_unknown({"unit", "memory_bytes", "compute_capability", "driver_version"});
  return device;
}

LatencyPoint point_of(JsonObject json) {
  LatencyPoint point{.units = {units_at(json, "units", 1)},
                     .p50 = time_at(json, "p50_us"),
                     .p99 = time_at(json, "p99_us"),
                     .mean = time_at(json, "mean_us"),
                     .device = json.find("device_us") ? std::optional(time_at(json, "device_us")) : std::nullopt,
                     .requests = static_cast<std::uint64_t>(json.whole("requests", 0, kMostRequests))};
  if (point.p99 < point.p50) json.refuse("p99_us", "latency that 99 of 100 requests keep: p50_us is longer");
  json.note_unknown();
  return point;
}

SlicePoint slices_of(JsonObject json) {
  // The profiler writes 0 where noise made an engine with cuts faster than without.
  const auto is_share = [](double share) { return share >= 0 && share < 1; };
  SlicePoint point{.units = {units_at(json, "units", 1)},
                   .in_flight = time_at(json, "in_flight_us"),
                   .overhead = json.number("overhead", "share from 0 to less than 1", is_share),
                   .slices = units_at(json, "slices", 0)};
  json.note_unknown();
  return point;
}

ProfiledKernel long_kernel_of(JsonObject json) {
  ProfiledKernel known{.units = {units_at(json, "units", 1)},
                       .kernel = {.name = json.optional_text("name").value_or(""),
                                  .time = std::chrono::ceil<Nanoseconds>(time_at(json, "time_us")),
                                  .kernels = units_at(json, "kernels", 1)}};
  json.note_unknown();
  return known;
}

// Reads the points of an engine, each of another size.
template <typename Read>
auto points_of(JsonObject& json, const char* key, const Read& read) -> std::vector<decltype(read(json))> {
  std::vector<decltype(read(json))> points;
  for (const auto& each : json.children(key)) {
    const auto point = read(each);
    if (std::ranges::find(points, point.units, [](const auto& known) { return known.units; }) != points.end())
      each.refuse("units", "further size: another point of '" + std::string(key) + "' has it");
    points.push_back(point);
  }
  return points;
}

EngineProfile engine_of(JsonObject json) {
  EngineProfile engine{.name = json.text("name"), .curve = {}, .gated = {}};
  json.set_owner("engine '" + engine.name + "'");
  engine.curve = points_of(json, "curve", point_of);
  engine.gated = points_of(json, "gated", slices_of);
  if (json.find("batch_rows")) engine.batch_rows = json.whole("batch_rows", 1, kMostRequests);
  if (auto known = json.child("long_kernel")) engine.long_kernel = long_kernel_of(*std::move(known));
  json.note_unknown();
  return engine;
}

}  // namespace

std::string profile_json(const Profile& profile) {
  Json json;
  json["versions"] = Json::parse(versions_json(profile.device));
  json["device"] = Json::parse(device_json(profile.device));
  json["engines"] = Json::array();
  for (const auto& engine : profile.engines) json["engines"].push_back(describe(engine));
  return text::json_text(json, 2) + "\n";
}

Profile read_profile(const std::string& json, const std::string& where) {
  JsonFile file(where, where + " is no profile", "make it with `greenlane profile`");
  const auto parsed = file.parse(json);
  JsonObject document(parsed, "", file);
  Profile profile{.device = device_of(document.object("device")), .engines = {}};
  for (const auto& each : document.children("engines")) {
    auto engine = engine_of(each);
    if (std::ranges::find(profile.engines, engine.name, &EngineProfile::name) != profile.engines.end())
      file.fail("two of its engines are named '" + engine.name + "'");
    profile.engines.push_back(std::move(engine));
  }
  document.note_unknown({"versions"});
  file.warn_of_unknown();
  return profile;
}

Profile load_profile(const std::filesystem::path& file) {
  return read_profile(
      detail::read_named_file(file, file.string() + " is no profile", "check the path given to --profile"),
      file.string());
}

std::string why_elsewhere(const Profile& profile, const PipelineConfig& config) {
  const auto described = [](const DeviceInfo& device) {
    return device.name + " with " + std::to_string(device.units.count) + " units";
  };
  std::string here;
  try {
    const auto device = Device::open(config.device);
    const auto& info = device.info();
    const auto same = [&](auto member) { return info.*member == profile.device.*member; };
    if (info.id.kind == profile.device.id.kind && same(&DeviceInfo::name) && same(&DeviceInfo::units) &&
        same(&DeviceInfo::granularity) && same(&DeviceInfo::groups))
      return {};
    here = "the pipeline runs on " + described(info) + " here";
  } catch (const Error& error) {
    here = error.what();
  }
  return "the profile is of " + described(profile.device) + ", and " + here;
}

}  // namespace greenlane::runtime

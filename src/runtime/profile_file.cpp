#include "runtime/json_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/runtime/profile.hpp>
#include <greenlane/runtime/report.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <iterator>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

Nanoseconds from_microseconds(double microseconds) {
  return Nanoseconds(static_cast<Nanoseconds::rep>(std::llround(microseconds * 1e3)));
}

Json describe(const EngineProfile& engine) {
  Json curve = Json::array();
  for (const auto& point : engine.curve) {
    curve.push_back({{"units", point.units.count},
                     {"p50_us", to_microseconds(point.p50)},
                     {"p99_us", to_microseconds(point.p99)},
                     {"mean_us", to_microseconds(point.mean)},
                     {"requests", point.requests}});
  }
  Json gated = Json::array();
  for (const auto& point : engine.gated) {
    gated.push_back({{"units", point.units.count},
                     {"in_flight_us", to_microseconds(point.in_flight)},
                     {"overhead", point.overhead},
                     {"slices", point.slices}});
  }
  return {{"name", engine.name}, {"curve", std::move(curve)}, {"gated", std::move(gated)}};
}

DeviceInfo device_of(const Json& json) {
  DeviceInfo device;
  device.id = DeviceId::parse(json.at("id").get<std::string>());
  device.name = json.at("name").get<std::string>();
  device.units = {json.at("units").get<int>()};
  device.granularity = {json.at("granularity").get<int>()};
  device.groups = json.at("groups").get<int>();
  device.remainder = {json.at("remainder").get<int>()};
  if (!json.at("partitions").get<bool>()) device.partition_obstacle = json.value("partition_obstacle", "it had none");
  return device;
}

EngineProfile engine_of(const Json& json) {
  EngineProfile engine{.name = json.at("name").get<std::string>(), .curve = {}, .gated = {}};
  for (const auto& point : json.at("curve")) {
    engine.curve.push_back({.units = {point.at("units").get<int>()},
                            .p50 = from_microseconds(point.at("p50_us").get<double>()),
                            .p99 = from_microseconds(point.at("p99_us").get<double>()),
                            .mean = from_microseconds(point.at("mean_us").get<double>()),
                            .requests = point.at("requests").get<std::uint64_t>()});
  }
  for (const auto& point : json.at("gated")) {
    engine.gated.push_back({.units = {point.at("units").get<int>()},
                            .in_flight = from_microseconds(point.at("in_flight_us").get<double>()),
                            .overhead = point.at("overhead").get<double>(),
                            .slices = point.at("slices").get<int>()});
  }
  return engine;
}

}  // namespace

std::string profile_json(const Profile& profile) {
  Json json;
  json["versions"] = Json::parse(versions_json(profile.device));
  json["device"] = Json::parse(device_json(profile.device));
  json["engines"] = Json::array();
  for (const auto& engine : profile.engines) json["engines"].push_back(describe(engine));
  return json_text(json, 2) + "\n";
}

Profile read_profile(const std::string& json, const std::string& where) {
  Profile profile;
  try {
    const Json document = Json::parse(json);
    profile.device = device_of(document.at("device"));
    for (const auto& engine : document.at("engines")) profile.engines.push_back(engine_of(engine));
  } catch (const std::exception& error) {  // JSON's and DeviceId's
    throw ConfigError(
        {.what = where + " is no profile", .why = error.what(), .remedy = "make it with `greenlane profile`"});
  }
  return profile;
}

Profile load_profile(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) {
    throw ConfigError({.what = file.string() + " is no profile",
                       .why = "there is no such file",
                       .remedy = "check the path given to --profile"});
  }
  return read_profile(std::string(std::istreambuf_iterator<char>(stream), {}), file.string());
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

#include "core/named_file.hpp"
#include "runtime/most_units.hpp"
#include "text/json_numbers.hpp"
#include "text/json_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/device_json.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>
#include <greenlane/detail/runtime/report.hpp>

#include <nlohmann/json.hpp>

#include <stdexcept>

namespace greenlane::runtime {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const EngineProfile& engine) {
  Json curve = Json::array();
  for (const auto& point : engine.curve) {
    curve.push_back({{"units", point.units.count},
                     {"p50_us", point.p50.count()},
                     {"p99_us", point.p99.count()},
                     {"mean_us", point.mean.count()},
                     {"requests", point.requests}});
  }
  Json gated = Json::array();
  for (const auto& point : engine.gated) {
    gated.push_back({{"units", point.units.count},
                     {"in_flight_us", point.in_flight.count()},
                     {"overhead", point.overhead},
                     {"slices", point.slices}});
  }
  return {{"name", engine.name}, {"curve", std::move(curve)}, {"gated", std::move(gated)}};
}

constexpr std::int64_t kMostRequests = std::int64_t{1} << 53;
constexpr double kLongest = 1e12;  // microseconds: eleven days

[[noreturn]] void refuse(const Json& from, const std::string& key, const std::string& wanted) {
  throw std::out_of_range("'" + key + "' is " + from.at(key).dump(-1, ' ', true, Json::error_handler_t::replace) +
                          ", and no " + wanted);
}

std::int64_t whole_at(const Json& from, const std::string& key, std::int64_t least, std::int64_t most) {
  const auto count = text::whole_number(from.at(key), least, most);
  if (!count) refuse(from, key, "whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return *count;
}

int units_at(const Json& from, const std::string& key, int least) {
  return static_cast<int>(whole_at(from, key, least, kMostUnits));
}

Microseconds time_at(const Json& from, const std::string& key) {
  const auto time = text::number(from.at(key), 0, kLongest);
  if (!time) refuse(from, key, "time from 0 to 1e12 µs");
  return Microseconds(*time);
}

double share_at(const Json& from, const std::string& key) {
  // Noise in the measurement can make the share slightly negative.
  const auto share = text::number(from.at(key), -1, 1e6);
  if (!share) refuse(from, key, "share");
  return *share;
}

DeviceInfo device_of(const Json& json) {
  DeviceInfo device;
  device.id = DeviceId::parse(json.at("id").get<std::string>());
  device.name = json.at("name").get<std::string>();
  device.units = {units_at(json, "units", 1)};
  device.granularity = {units_at(json, "granularity", 0)};
  device.groups = units_at(json, "groups", 0);
  device.remainder = {units_at(json, "remainder", 0)};
  if (!json.at("partitions").get<bool>()) {
    device.partition_obstacle = json.value("partition_obstacle", "it had none");
  } else if (std::int64_t{device.groups} * device.granularity.count + device.remainder.count != device.units.count) {
    throw std::runtime_error("its device's groups are not its units");
  }
  return device;
}

EngineProfile engine_of(const Json& json) {
  EngineProfile engine{.name = json.at("name").get<std::string>(), .curve = {}, .gated = {}};
  for (const auto& point : json.at("curve")) {
    engine.curve.push_back({.units = {units_at(point, "units", 1)},
                            .p50 = time_at(point, "p50_us"),
                            .p99 = time_at(point, "p99_us"),
                            .mean = time_at(point, "mean_us"),
                            .requests = static_cast<std::uint64_t>(whole_at(point, "requests", 0, kMostRequests))});
  }
  for (const auto& point : json.at("gated")) {
    engine.gated.push_back({.units = {units_at(point, "units", 1)},
                            .in_flight = time_at(point, "in_flight_us"),
                            .overhead = share_at(point, "overhead"),
                            .slices = units_at(point, "slices", 0)});
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
  return text::json_text(json, 2) + "\n";
}

Profile read_profile(const std::string& json, const std::string& where) {
  Profile profile;
  try {
    const Json document = Json::parse(json);
    profile.device = device_of(document.at("device"));
    for (const auto& engine : document.at("engines")) profile.engines.push_back(engine_of(engine));
  } catch (const std::exception& error) {  // from JSON, DeviceId and the checks above
    throw ConfigError(
        {.what = where + " is no profile", .why = error.what(), .remedy = "make it with `greenlane profile`"});
  }
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

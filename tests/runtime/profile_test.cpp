#include "support/matchers.hpp"
#include "support/test_pipeline.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/runtime/profile.hpp>
#include <greenlane/detail/runtime/profile_file.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <set>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class ProfileTest : public ::testing::Test {
 protected:
  [[nodiscard]] Profile profile(const std::string& tables) {
    auto pipeline = cpu_pipeline(folder_, tables);
    return make_profile(pipeline, {.most = milliseconds(20), .stop = &stop_, .progress = {}});
  }
  std::atomic<bool> stop_{false};
  Folder folder_;
};

TEST_F(ProfileTest, EveryEngineIsMeasuredOnEverySize) {
  const auto known = profile(engine_table("a", "affine", "rate_hz = 100\n") + engine_table("b", "pair"));
  EXPECT_EQ(known.device.id.kind, DeviceKind::cpu);
  ASSERT_EQ(known.engines.size(), 2U);
  for (const auto& engine : known.engines) {
    EXPECT_EQ(engine.curve.size(), static_cast<std::size_t>(known.device.units.count));
    EXPECT_EQ(engine.curve.back().units, known.device.units);
    EXPECT_TRUE(engine.gated.empty()) << "slices were measured on a CPU, which has no graphs";
    std::set<Units> sizes;
    for (const auto& point : engine.curve) {
      sizes.insert(point.units);
      EXPECT_GT(point.requests, 0U);
      EXPECT_GT(point.p50.count(), 0);
      EXPECT_LE(point.p50, point.p99);
    }
    EXPECT_EQ(sizes.size(), engine.curve.size());
  }
}

TEST_F(ProfileTest, AProfileReturnsAllUnits) {
  (void)profile(engine_table("a", "affine"));
  const auto cpu = Device::open("cpu");
  EXPECT_EQ(cpu.partition("all", rest).units(), cpu.info().units);
}

TEST_F(ProfileTest, ProgressGrowsUpToOne) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine") + engine_table("b", "pair"));
  std::vector<double> shares;
  (void)make_profile(pipeline, {.most = milliseconds(20),
                                .stop = nullptr,
                                .progress = [&](double share, const std::string&) { shares.push_back(share); }});
  EXPECT_TRUE(std::ranges::is_sorted(shares));
  EXPECT_EQ(shares.front(), 0);
  EXPECT_EQ(shares.back(), 1);
}

TEST_F(ProfileTest, AStopCancelsTheProfile) {
  stop_ = true;
  EXPECT_THAT([&] { (void)profile(engine_table("a", "affine")); }, refuses<EngineError>("not complete", "stopped"));
}

TEST_F(ProfileTest, AnEngineThatThrowsEndsTheProfile) {
  const std::string folder = std::string(GREENLANE_TEST_MODELS) + "/";
  const std::string bad =
      "[engine.bad]\nmodel = '" + folder + "throws.pt2'\ninputs = '" + folder + "out_of_table.inputs.pt'\n";
  EXPECT_THROW((void)profile(bad), Error);
  const auto cpu = Device::open("cpu");
  EXPECT_EQ(cpu.partition("all", rest).units(), cpu.info().units) << "the failed engine still holds units";
}

TEST_F(ProfileTest, AProfileOfAnotherDeviceIsRecognized) {
  Profile here{.device = Device::open("cpu").info(), .engines = {}};
  PipelineConfig config;
  config.device = "cpu";
  EXPECT_EQ(why_elsewhere(here, config), "");
  here.device.units = {here.device.units.count + 1};
  EXPECT_THAT(why_elsewhere(here, config), ::testing::HasSubstr("the pipeline runs on"));
  here.device = Device::open("cpu").info();
  config.device = "cuda:63";
  EXPECT_NE(why_elsewhere(here, config), "");
}

TEST_F(ProfileTest, AWrittenProfileCanBeRead) {
  Profile made;
  made.device = Device::open("cpu").info();
  made.engines.push_back(
      {.name = "head",
       .curve =
           {{.units = {1}, .p50 = microseconds(10), .p99 = microseconds(20), .mean = microseconds(12), .requests = 7},
            {.units = {2},
             .p50 = microseconds(10),
             .p99 = microseconds(20),
             .mean = microseconds(12),
             .device = microseconds(5),
             .requests = 7}},
       .gated = {{.units = {1}, .in_flight = microseconds(60), .overhead = 0.02, .slices = 9}},
       .long_kernel = ProfiledKernel{
           .units = {1}, .kernel = {.name = "matmul", .time = std::chrono::nanoseconds(1'090'123), .kernels = 2}}});
  const auto read = load_profile(folder_.write("profile.json", profile_json(made)));
  EXPECT_EQ(read.device.name, made.device.name);
  EXPECT_EQ(read.device.units, made.device.units);
  EXPECT_EQ(read.device.groups, made.device.groups);
  EXPECT_EQ(read.device.granularity, made.device.granularity);
  EXPECT_EQ(read.device.remainder, made.device.remainder);
  ASSERT_EQ(read.engines.size(), 1U);
  EXPECT_EQ(read.engines[0].name, "head");
  const auto& point = read.engines[0].curve.at(0);
  EXPECT_EQ(point.units, Units{1});
  EXPECT_EQ(point.p50, microseconds(10));
  EXPECT_EQ(point.p99, microseconds(20));
  EXPECT_EQ(point.mean, microseconds(12));
  EXPECT_EQ(point.requests, 7U);
  EXPECT_FALSE(point.device.has_value());
  EXPECT_EQ(read.engines[0].curve.at(1).device, microseconds(5));
  const auto& gated = read.engines[0].gated.at(0);
  EXPECT_EQ(gated.in_flight, microseconds(60));
  EXPECT_EQ(gated.overhead, 0.02);
  EXPECT_EQ(gated.slices, 9);
  ASSERT_TRUE(read.engines[0].long_kernel);
  EXPECT_EQ(read.engines[0].long_kernel->units, Units{1});
  EXPECT_EQ(read.engines[0].long_kernel->kernel, made.engines[0].long_kernel->kernel);
  made.engines[0].long_kernel->kernel.name.clear();
  EXPECT_EQ(load_profile(folder_.write("profile.json", profile_json(made))).engines[0].long_kernel->kernel.name, "");
  made.engines[0].long_kernel.reset();
  EXPECT_FALSE(load_profile(folder_.write("profile.json", profile_json(made))).engines[0].long_kernel);
}

TEST_F(ProfileTest, OtherContentsAreRefused) {
  for (const std::string text : {"", "[]", R"({"device": 3})", R"({"engines": []})"}) {
    EXPECT_THAT([&] { (void)load_profile(folder_.write("profile.json", text)); },
                refuses<ConfigError>("profile.json is no profile", "greenlane profile"));
  }
  const auto refuses_text = [&](const std::string& text, const std::string& why) {
    EXPECT_THAT([&] { (void)load_profile(folder_.write("profile.json", text)); },
                refuses<ConfigError>("is no profile: " + why + "; make it with"));
  };
  refuses_text(" \n", "it is empty");
  refuses_text("{\n  \"a\": #", "it is no JSON: look at line 2, column 8");
  refuses_text("{\"a\"", "it is no JSON: look at line 1, column 5");
  refuses_text("[1e999]", "it is no JSON: number overflow parsing '1e999'");
  EXPECT_THAT([&] { (void)load_profile(folder_ / "none.json"); }, refuses<ConfigError>("there is no such file"));
  EXPECT_THAT([&] { (void)load_profile(folder_.path()); }, refuses<ConfigError>("it is a folder", "--profile"));
}

TEST_F(ProfileTest, GroupsMustAddUpToTheDevice) {
  Profile made;
  made.device = Device::open("cpu").info();
  auto json = nlohmann::json::parse(profile_json(made));
  json["device"]["groups"] = made.device.groups + 1;
  EXPECT_THAT([&] { (void)read_profile(json.dump(), "it"); },
              refuses<ConfigError>("it is no profile", "groups are not its units", "greenlane profile"));
  json["device"]["partitions"] = false;
  EXPECT_EQ(read_profile(json.dump(), "it").device.groups, made.device.groups + 1)
      << "the groups of an indivisible device were checked";
}

// Returns a profile of one engine, `head`, as JSON.
nlohmann::json one_engine() {
  Profile made;
  made.device = Device::open("cpu").info();
  made.engines.push_back(
      {.name = "head",
       .curve =
           {{.units = {1}, .p50 = microseconds(10), .p99 = microseconds(20), .mean = microseconds(12), .requests = 7}},
       .gated = {{.units = {1}, .in_flight = microseconds(60), .overhead = 0.02, .slices = 9}}});
  return nlohmann::json::parse(profile_json(made));
}

nlohmann::json changed(nlohmann::json json, const std::string& where, const nlohmann::json& value) {
  json[nlohmann::json::json_pointer(where)] = value;
  return json;
}

TEST_F(ProfileTest, AMeasuredProfileCanBeRead) {
  const auto made = profile(engine_table("a", "affine", "rate_hz = 100\n") + engine_table("b", "pair"));
  const auto written = profile_json(made);
  const auto again = profile_json(read_profile(written, "it"));
  EXPECT_EQ(nlohmann::json::parse(again)["engines"], nlohmann::json::parse(written)["engines"]);
}

TEST_F(ProfileTest, OnlyListsAreRead) {
  for (const nlohmann::json& value : {nlohmann::json(), nlohmann::json::object(), nlohmann::json("a"),
                                      nlohmann::json(3), nlohmann::json{{"a", one_engine()["engines"][0]}}}) {
    for (const auto& [where, key] :
         {std::pair("/engines", "'engines'"), std::pair("/engines/0/curve", "'engines[0].curve' of engine 'head'"),
          std::pair("/engines/0/gated", "'engines[0].gated' of engine 'head'")}) {
      EXPECT_THAT([&] { (void)read_profile(changed(one_engine(), where, value).dump(), "it"); },
                  refuses<ConfigError>("it is no profile", std::string(key) + " is not a list", "greenlane profile"))
          << value;
    }
  }
}

TEST_F(ProfileTest, ImpossibleMeasurementsAreRefused) {
  struct Case {
    std::string where;
    nlohmann::json value;
    std::string why;
  };
  const std::string curve = "/engines/0/curve/0/";
  const std::string gated = "/engines/0/gated/0/";
  const std::string of = " of engine 'head' is ";
  const Case cases[] = {
      {curve + "p50_us", 0, "'engines[0].curve[0].p50_us'" + of + "0, and no time above 0"},
      {curve + "p99_us", 0.0, "'engines[0].curve[0].p99_us'" + of + "0.0, and no time above 0"},
      {curve + "mean_us", 0, "'engines[0].curve[0].mean_us'" + of + "0, and no time above 0"},
      {curve + "device_us", 0, "'engines[0].curve[0].device_us'" + of + "0, and no time above 0"},
      {curve + "p99_us", 9.5, "'engines[0].curve[0].p99_us'" + of + "9.5, and no latency"},
      {gated + "in_flight_us", 0, "'engines[0].gated[0].in_flight_us'" + of + "0, and no time above 0"},
      {gated + "overhead", -0.01, "'engines[0].gated[0].overhead'" + of + "-0.01, and no share from 0 to less than 1"},
      {gated + "overhead", 1, "'engines[0].gated[0].overhead'" + of + "1, and no share"},
      {"/engines/0/name", "", "'engines[0].name' is an empty text"},
      {"/device/name", "", "'device.name' is an empty text"},
      {"/device/id", "gpu7", "'device.id' is \"gpu7\", and no device"},
      {"/device/partition_obstacle", "", "'device.partition_obstacle' is an empty text"},
      {"/engines/1", one_engine()["engines"][0], "two of its engines are named 'head'"},
      {"/engines/0/curve/1", one_engine()["engines"][0]["curve"][0], "another point of 'curve' has it"},
      {"/engines/0/gated/1", one_engine()["engines"][0]["gated"][0], "another point of 'gated' has it"},
  };
  for (const auto& [where, value, why] : cases) {
    EXPECT_THAT([&] { (void)read_profile(changed(one_engine(), where, value).dump(), "it"); },
                refuses<ConfigError>("it is no profile", why, "greenlane profile"));
  }
  for (const double overhead : {0.0, 0.99})
    EXPECT_NO_THROW((void)read_profile(changed(one_engine(), gated + "overhead", overhead).dump(), "it"));
}

TEST_F(ProfileTest, UnknownKeysGiveOneWarning) {
  std::vector<std::string> warnings;
  const auto former = set_warning_sink([&](const std::string& warning) { warnings.push_back(warning); });
  (void)read_profile(one_engine().dump(), "it");
  EXPECT_THAT(warnings, ::testing::ElementsAre());
  auto json = one_engine();
  for (const auto* where :
       {"/versionz", "/device/unitz", "/engines/0/gatedd", "/engines/0/curve/0/p95_us", "/engines/0/gated/0/slicez"})
    json = changed(json, where, 1);
  (void)read_profile(json.dump(), "it");
  (void)set_warning_sink(former);
  using ::testing::HasSubstr;
  EXPECT_THAT(warnings, ::testing::ElementsAre(::testing::AllOf(
                            HasSubstr("it has keys"), HasSubstr("'versionz' (did you mean 'versions'?)"),
                            HasSubstr("'device.unitz' (did you mean 'unit'?)"),
                            HasSubstr("'engines[0].gatedd' of engine 'head' (did you mean 'gated'?)"),
                            HasSubstr("'engines[0].curve[0].p95_us' of engine 'head' (did you mean "),
                            HasSubstr("'engines[0].gated[0].slicez' of engine 'head' (did you mean 'slices'?)"))));
}

TEST_F(ProfileTest, NumbersOutOfRangeAreRefusedByName) {
  const auto whole = one_engine();
  const auto expect_refused = [&](const std::string& where, const std::string& key, const nlohmann::json& value) {
    EXPECT_THAT([&] { (void)read_profile(changed(whole, where + "/" + key, value).dump(), "it"); },
                refuses<ConfigError>("it is no profile", "." + key + "'"))
        << value;
  };
  for (const nlohmann::json& value : {nlohmann::json(4294967297), nlohmann::json(-1), nlohmann::json(1.5),
                                      nlohmann::json(true), nlohmann::json(18446744073709551615U)}) {
    for (const auto* key : {"units", "granularity", "groups", "remainder"}) expect_refused("/device", key, value);
    expect_refused("/engines/0/curve/0", "units", value);
    expect_refused("/engines/0/curve/0", "requests", value == 4294967297 ? nlohmann::json(-1) : value);
    expect_refused("/engines/0/gated/0", "slices", value);
  }
  for (const nlohmann::json& value :
       {nlohmann::json(1e300), nlohmann::json(-1), nlohmann::json(), nlohmann::json(true)}) {
    for (const auto* key : {"p50_us", "p99_us", "mean_us", "device_us"})
      expect_refused("/engines/0/curve/0", key, value);
    expect_refused("/engines/0/gated/0", "in_flight_us", value);
    expect_refused("/engines/0/gated/0", "overhead", value == -1 ? nlohmann::json(1e300) : value);
  }
}

}  // namespace
}  // namespace greenlane::runtime

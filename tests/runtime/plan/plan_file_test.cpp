#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/runtime/config.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

class PlanFileTest : public ::testing::Test {
 protected:
  PlanFileTest() {
    config_.file = "pipeline.toml";
    for (const std::string name : {"policy", "vision"}) {
      EngineConfig engine;
      engine.name = engine.lane = name;
      config_.engines.push_back(engine);
      config_.lanes.push_back({.name = name, .units = UnitRequest(1)});
    }
  }
  Mode apply(const std::string& text) { return apply_plan(config_, folder_.write("plan.json", text)); }
  template <class... Parts>
  void expect_refused(const std::string& text, Parts... parts) {
    EXPECT_THAT([&] { (void)apply(text); },
                refuses<ConfigError>((folder_ / "plan.json").string(), "pipeline.toml", parts...))
        << text;
  }

  // Returns the warnings of a plan that is accepted.
  std::vector<std::string> warnings_of(const std::string& text) {
    std::vector<std::string> warnings;
    const auto former = set_warning_sink([&](const std::string& warning) { warnings.push_back(warning); });
    EXPECT_NO_THROW(apply(text));
    (void)set_warning_sink(former);
    return warnings;
  }

  Folder folder_;
  PipelineConfig config_;
};

TEST_F(PlanFileTest, ThePlanSetsLanesAndUnits) {
  apply(R"({"lanes": [{"name": "left", "units": 16}, {"name": "right", "units": "rest"}, {"name": "open"}],
            "engines": [{"name": "vision", "lane": "left"}, {"name": "policy", "lane": "right"}]})");
  EXPECT_EQ(config_.engines[0].lane, "right");
  EXPECT_EQ(config_.engines[1].lane, "left");
  ASSERT_EQ(config_.lanes.size(), 2U) << "the unused third lane was not left out";
  EXPECT_EQ(config_.lanes[0].name, "left");
  EXPECT_EQ(config_.lanes[0].units->units().count, 16);
  EXPECT_TRUE(config_.lanes[1].units->is_rest());
}

TEST_F(PlanFileTest, ThePlanSetsTheModeAndLanesBesideOthers) {
  const std::string engines = R"("engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "b"}]})";
  EXPECT_EQ(
      apply(R"({"mode": "gates", "lanes": [{"name": "a", "units": 8}, {"name": "b", "beside": "a"}], )" + engines),
      Mode::gates);
  EXPECT_EQ(config_.lanes[1].beside, "a");
  EXPECT_EQ(apply(R"({"lanes": [{"name": "a", "units": 8}, {"name": "b"}], )" + engines), Mode::lanes);
  expect_refused(R"({"lanes": [{"name": "a"}, {"name": "b", "beside": "c"}], )" + engines, "beside 'c'");
  expect_refused(R"({"lanes": [{"name": "a"}, {"name": "b", "beside": "a", "units": 1}], )" + engines,
                 "'b' is beside 'a'", "`units` says otherwise");
  expect_refused(R"({"lanes": [{"name": "a", "beside": "b"}, {"name": "b", "beside": "a"}], )" + engines, "beside 'b'");
  expect_refused(
      R"({"lanes": [{"name": "a", "device": "cuda:1"}, {"name": "b", "beside": "a", "device": "cpu"}], )" + engines,
      "'b' is beside 'a'", "on another device");
  apply(R"({"lanes": [{"name": "a", "device": "cuda:1"}, {"name": "b", "beside": "a"}], )" + engines);
  EXPECT_EQ(config_.lanes[1].device, "cuda:1");
}

TEST_F(PlanFileTest, DuplicateLanesAndEnginesAreRefused) {
  const std::string engines = R"({"name": "vision", "lane": "a"}, {"name": "policy", "lane": "a"})";
  expect_refused(R"({"lanes": [{"name": "a"}, {"name": "a", "units": 1}], "engines": [)" + engines + "]}",
                 "two of its lanes are named 'a'");
  expect_refused(R"({"lanes": [{"name": "a"}], "engines": [)" + engines + R"(, {"name": "vision", "lane": "a"}]})",
                 "places engine 'vision' twice");
}

TEST_F(PlanFileTest, AnUngatedEngineTakesTurns) {
  apply(R"({"lanes": [{"name": "a"}], "engines": [{"name": "vision", "lane": "a", "gated": false},
            {"name": "policy", "lane": "a", "gated": true}]})");
  EXPECT_FALSE(config_.engines[0].takes_turns);
  EXPECT_TRUE(config_.engines[1].takes_turns);
  apply(R"({"lanes": [{"name": "a"}], "engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "a"}]})");
  EXPECT_FALSE(config_.engines[1].takes_turns) << "a plan without the key 'gated' turned the gates off";
}

TEST_F(PlanFileTest, ALaneMayHaveNoUnits) {
  apply(R"({"lanes": [{"name": "open"}],
            "engines": [{"name": "vision", "lane": "open"}, {"name": "policy", "lane": "open"}]})");
  ASSERT_EQ(config_.lanes.size(), 1U);
  EXPECT_FALSE(config_.lanes[0].units);
}

TEST_F(PlanFileTest, ARefusedPlanChangesNothing) {
  const auto lane = config_.engines[0].lane;
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "one"}]})");
  EXPECT_EQ(config_.engines[0].lane, lane);
}

TEST_F(PlanFileTest, AnUnknownEngineIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "arm", "lane": "one"}]})", "'arm'");
}

const std::string kRest =
    R"("lanes": [{"name": "a", "units": 1}], "engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "a"}]})";

TEST_F(PlanFileTest, AnUnknownModeIsRefused) {
  expect_refused(R"({"mode": "compare", )" + kRest, "'compare'", "lanes, gates, shared and priority");
  expect_refused(R"({"mode": "turbo", )" + kRest, "'turbo'");
  expect_refused(R"({"mode": 3, )" + kRest);
}

TEST_F(PlanFileTest, ThePlannedDeviceIsKept) {
  apply(R"({"device": {"id": "cuda:3", "name": "NVIDIA H200", "units": 132}, "versions": {"torch": "2.11.0"}, )" +
        kRest);
  ASSERT_TRUE(config_.planned_for);
  EXPECT_EQ(config_.planned_for->kind, DeviceKind::cuda);
  EXPECT_EQ(config_.planned_for->name, "NVIDIA H200");
  EXPECT_EQ(config_.planned_for->units, Units{132});
  EXPECT_EQ(config_.planned_for->torch, "2.11.0");
  EXPECT_EQ(config_.planned_for->plan, folder_ / "plan.json");
  apply("{" + kRest);
  EXPECT_FALSE(config_.planned_for->kind);
  EXPECT_FALSE(config_.planned_for->units);
  expect_refused(R"({"device": {"units": 4294967297}, )" + kRest, "units");
  expect_refused(R"({"device": 3, )" + kRest);
}

TEST_F(PlanFileTest, NumbersOutOfRangeAreRefused) {
  for (const std::string slice : {"1e300", "-1", "0", "1e-30", "null", "true", "\"50us\"", "1e7"}) {
    expect_refused(R"({"lanes": [{"name": "a"}], "engines": [{"name": "vision", "lane": "a", "slice_us": )" + slice +
                       R"(}, {"name": "policy", "lane": "a"}]})",
                   "slice_us", "'vision'");
  }
  for (const std::string units : {"4294967297", "18446744073709551615", "9223372036854775808", "-1", "1e300", "true"}) {
    expect_refused(R"({"lanes": [{"name": "one", "units": )" + units + R"(}], "engines": []})", "'one'", "units");
  }
}

TEST_F(PlanFileTest, AValueOfAnotherTypeIsRefusedByItsKey) {
  const std::string engines = R"("engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": )";
  const std::string lanes = R"("lanes": [{"name": "a"}, {"name": "b", "beside": )";
  const std::pair<std::string, std::string> cases[] = {
      {R"([])", "it is no object"},
      {R"({"mode": 3, )" + kRest, "'mode' is not a text"},
      {R"({"device": 3, )" + kRest, "'device' is no object"},
      {R"({"device": {"id": 3}, )" + kRest, "'device.id' is not a text"},
      {R"({"device": {"name": []}, )" + kRest, "'device.name' is not a text"},
      {R"({"versions": {"torch": 2.11}, )" + kRest, "'versions.torch' is not a text"},
      {R"({"engines": []})", "'lanes' is missing"},
      {R"({"lanes": {}, "engines": []})", "'lanes' is not a list"},
      {R"({"lanes": [{"name": "a"}, 3], "engines": []})", "'lanes[1]' is no object"},
      {R"({"lanes": [{"units": 1}], "engines": []})", "'lanes[0].name' is missing"},
      {"{" + lanes + R"(1}], "engines": []})", "'lanes[1].beside' is not a text"},
      {R"({"lanes": []})", "'engines' is missing"},
      {R"({"lanes": [{"name": "a"}], )" + engines + "null}]}", "'engines[1].lane' is not a text"},
      {R"({"lanes": [{"name": "a"}], )" + engines + R"("a", "gated": 1}]})", "'engines[1].gated' is not true or false"},
      {R"({"lanes": [], "engines": [{"name": 1}]})", "'engines[0].name' is not a text"},
  };
  for (const auto& [plan, why] : cases) expect_refused(plan, why, "a plan is JSON");
}

TEST_F(PlanFileTest, EmptyTextsAreRefused) {
  const std::string engines = R"("engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": ")";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"lanes": [{"name": ""}], )" + engines + R"("}]})", "lanes[0].name"},
      {R"({"lanes": [{"name": "a", "beside": ""}], )" + engines + R"(a"}]})", "lanes[0].beside"},
      {R"({"lanes": [{"name": "a", "device": ""}], )" + engines + R"(a"}]})", "lanes[0].device"},
      {R"({"lanes": [{"name": "a"}], )" + engines + R"("}]})", "engines[1].lane"},
      {R"({"lanes": [{"name": "a"}], "engines": [{"name": ""}]})", "engines[0].name"},
      {R"({"mode": "", )" + kRest, "mode"},
      {R"({"device": {"id": ""}, )" + kRest, "device.id"},
      {R"({"device": {"name": ""}, )" + kRest, "device.name"},
      {R"({"versions": {"torch": ""}, )" + kRest, "versions.torch"},
  };
  for (const auto& [plan, key] : cases) expect_refused(plan, "'" + key + "' is an empty text", "a plan is JSON");
}

TEST_F(PlanFileTest, AnUnknownDeviceIsRefused) {
  for (const std::string id : {"gpu7", "cudax", "cuda:", "cuda:-1", "auto", "CPU"})
    expect_refused(R"({"device": {"id": ")" + id + R"("}, )" + kRest, "'device.id' is \"" + id + "\"", "cpu or cuda:N");
  const std::string engines = R"("}], "engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "a"}]})";
  for (const std::string device : {"gpu7", "auto", "cuda:x"}) {
    expect_refused(R"({"lanes": [{"name": "a", "device": ")" + device + engines, "lane 'a'",
                   "'" + device + "' is no device of a lane", "use cpu or cuda:N, or leave the key out");
  }
  apply(R"({"lanes": [{"name": "a", "device": "cuda:1)" + engines);
  EXPECT_EQ(config_.lanes[0].device, "cuda:1");
}

TEST_F(PlanFileTest, AnUnreadablePathIsRefused) {
  EXPECT_THAT([&] { apply_plan(config_, folder_.path()); },
              refuses<ConfigError>("it is a folder", "the path of the plan"));
  EXPECT_THAT([&] { apply_plan(config_, folder_ / std::string(300, 'a')); }, refuses<ConfigError>("cannot be reached"));
}

TEST_F(PlanFileTest, UnknownKeysGiveOneWarning) {
  using ::testing::AllOf;
  using ::testing::ElementsAre;
  using ::testing::HasSubstr;
  using ::testing::Not;
  EXPECT_THAT(
      warnings_of(R"({"device": {"nam": "x"}, "versions": {"torch": "2.14.0", "tourch": 1}, "color": {"a": 1},
                      "lanes": [{"name": "one", "unitz": 1}],
                      "engines": [{"name": "vision", "lane": "one"}, {"name": "policy", "lane": "one", "gatedd": 0}]})"),
      ElementsAre(AllOf(
          HasSubstr((folder_ / "plan.json").string() + " has keys"), HasSubstr("'device.nam' (did you mean 'name'?)"),
          HasSubstr("'versions.tourch' (did you mean 'torch'?)"), HasSubstr("'lanes[0].unitz' (did you mean 'units'?)"),
          HasSubstr("'engines[1].gatedd' (did you mean 'gated'?)"),
          HasSubstr("'color' (known here: candidates, contention, corrections, device, engines, "),
          HasSubstr("a newer greenlane wrote them"), Not(HasSubstr("more;")))));
  EXPECT_EQ(config_.engines[0].lane, "one");
  EXPECT_THAT(warnings_of(R"({"1": 1, "2": 1, "3": 1, "4": 1, "5": 1, "6": 1, "7": 1, )" + kRest),
              ElementsAre(AllOf(HasSubstr("'5'"), Not(HasSubstr("'6'")), HasSubstr(" and 2 more;"))));
  EXPECT_THAT(warnings_of("{\"" + std::string(1000, 'k') + "\\u202e\": 1, " + kRest),
              ElementsAre(AllOf(HasSubstr("has a key that"), HasSubstr("'" + std::string(60, 'k') + "…'"))));
  EXPECT_THAT(warnings_of("{" + kRest), ElementsAre());
}

TEST_F(PlanFileTest, AKeyForOtherReadersGivesNoWarning) {
  EXPECT_THAT(warnings_of(R"({"versions": {"greenlane": "0.1.0", "torch": "2.14.0", "cuda": "13.0", "driver": 13000},
      "device": {"id": "cpu", "name": "a CPU", "units": 2, "unit": "core", "granularity": 1, "groups": 2,
                 "remainder": 0, "memory_bytes": 1, "compute_capability": "9.0", "driver_version": 13000,
                 "partitions": true, "partition_obstacle": "none"},
      "mode": "lanes", "paths": [], "predicted": null, "measured": null, "margin": 0.1, "contention": null,
      "corrections": null, "candidates": [],
      "lanes": [{"name": "a", "units": 1, "device": "cpu"}, {"name": "b", "beside": "a"}],
      "engines": [{"name": "vision", "lane": "a", "predicted": null, "measured": null},
                  {"name": "policy", "lane": "b", "gated": true, "slice_us": 50}]})"),
              ::testing::ElementsAre());
}

TEST_F(PlanFileTest, ARefusedPlanGivesNoWarning) {
  std::vector<std::string> warnings;
  const auto former = set_warning_sink([&](const std::string& warning) { warnings.push_back(warning); });
  expect_refused(R"({"unknown": 1, "lanes": []})", "'engines' is missing");
  (void)set_warning_sink(former);
  EXPECT_THAT(warnings, ::testing::ElementsAre());
}

TEST_F(PlanFileTest, AMissingFileIsRefused) {
  EXPECT_THAT([&] { apply_plan(config_, folder_ / "nowhere.json"); },
              refuses<ConfigError>("nowhere.json", "no such file", "the path of the plan"));
}

TEST_F(PlanFileTest, OtherContentsAreRefused) {
  for (const std::string text : {"", "{", "[]", "3", "{}", R"({"lanes": []})", R"({"lanes": 3, "engines": []})",
                                 R"({"lanes": [{"units": 3}], "engines": []})"}) {
    expect_refused(text);
  }
  expect_refused("{", "a plan is JSON");
}

TEST_F(PlanFileTest, InvalidUnitsAreRefused) {
  expect_refused(R"({"lanes": [{"name": "one", "units": "many"}], "engines": []})");
  expect_refused(R"({"lanes": [{"name": "one", "units": null}], "engines": []})");
  expect_refused(R"({"lanes": [{"name": "one", "units": 1.5}], "engines": []})", "'one'", "units");
  expect_refused(R"({"lanes": [{"name": "one", "units": 0}], "engines": []})", "'one'", "units");
}

TEST_F(PlanFileTest, APlanForOtherEnginesIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "one"}]})", "'vision'",
                 "make a plan");
}

TEST_F(PlanFileTest, AnEngineOnAnUnknownLaneIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "two"}]})", "'policy'",
                 "'two'");
}

}  // namespace
}  // namespace greenlane::runtime

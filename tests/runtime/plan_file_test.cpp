#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/runtime/config.hpp>

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
  std::string apply(const std::string& text) { return apply_plan(config_, folder_.write("plan.json", text)); }
  template <class... Parts>
  void expect_refused(const std::string& text, Parts... parts) {
    EXPECT_THAT([&] { (void)apply(text); },
                refuses<ConfigError>((folder_ / "plan.json").string(), "pipeline.toml", parts...))
        << text;
  }

  Folder folder_;
  PipelineConfig config_;
};

TEST_F(PlanFileTest, LanesUnitsAndPlacesAreThoseOfThePlan) {
  apply(R"({"lanes": [{"name": "left", "units": 16}, {"name": "right", "units": "rest"}, {"name": "open"}],
            "engines": [{"name": "vision", "lane": "left"}, {"name": "policy", "lane": "right"}]})");
  EXPECT_EQ(config_.engines[0].lane, "right");
  EXPECT_EQ(config_.engines[1].lane, "left");
  ASSERT_EQ(config_.lanes.size(), 2U) << "nobody uses the third";
  EXPECT_EQ(config_.lanes[0].name, "left");
  EXPECT_EQ(config_.lanes[0].units->units().count, 16);
  EXPECT_TRUE(config_.lanes[1].units->is_rest());
}

TEST_F(PlanFileTest, LanesMayBeBesideOthersAndTheModeIsThePlans) {
  const std::string engines = R"("engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "b"}]})";
  EXPECT_EQ(
      apply(R"({"mode": "gates", "lanes": [{"name": "a", "units": 8}, {"name": "b", "beside": "a"}], )" + engines),
      "gates");
  EXPECT_EQ(config_.lanes[1].beside, "a");
  EXPECT_EQ(apply(R"({"lanes": [{"name": "a", "units": 8}, {"name": "b"}], )" + engines), "lanes");
  expect_refused(R"({"lanes": [{"name": "a"}, {"name": "b", "beside": "c"}], )" + engines, "beside 'c'");
  expect_refused(R"({"lanes": [{"name": "a", "beside": "b"}, {"name": "b", "beside": "a"}], )" + engines, "beside 'b'");
}

TEST_F(PlanFileTest, WhoHasNoGatesInThePlanTakesTurns) {
  apply(R"({"lanes": [{"name": "a"}], "engines": [{"name": "vision", "lane": "a", "gated": false},
            {"name": "policy", "lane": "a", "gated": true}]})");
  EXPECT_FALSE(config_.engines[0].takes_turns);
  EXPECT_TRUE(config_.engines[1].takes_turns);
  apply(R"({"lanes": [{"name": "a"}], "engines": [{"name": "vision", "lane": "a"}, {"name": "policy", "lane": "a"}]})");
  EXPECT_FALSE(config_.engines[1].takes_turns) << "plans by hand have gates as files have";
}

TEST_F(PlanFileTest, ALaneWithoutUnitsLeavesThemOpen) {
  apply(R"({"lanes": [{"name": "open"}],
            "engines": [{"name": "vision", "lane": "open"}, {"name": "policy", "lane": "open"}]})");
  ASSERT_EQ(config_.lanes.size(), 1U);
  EXPECT_FALSE(config_.lanes[0].units);
}

TEST_F(PlanFileTest, APlanThatIsRefusedChangesNothing) {
  const auto lane = config_.engines[0].lane;
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "one"}]})");
  EXPECT_EQ(config_.engines[0].lane, lane);
}

TEST_F(PlanFileTest, AnEngineThatTheConfigurationLacksIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "arm", "lane": "one"}]})", "'arm'");
}

TEST_F(PlanFileTest, WhatAPlanSaysBesidesIsItsOwnAffair) {
  apply(R"({"device": {}, "lanes": [{"name": "one", "units": 1, "p99_us": 3}],
            "engines": [{"name": "vision", "lane": "one", "p99_us": 2}, {"name": "policy", "lane": "one"}]})");
  EXPECT_EQ(config_.engines[0].lane, "one");
}

TEST_F(PlanFileTest, AFileThatIsNotThereIsRefused) {
  EXPECT_THAT([&] { apply_plan(config_, folder_ / "nowhere.json"); },
              refuses<ConfigError>("nowhere.json", "no such file", "--plan"));
}

TEST_F(PlanFileTest, WhatIsNoPlanIsRefused) {
  for (const std::string text : {"", "{", "[]", "3", "{}", R"({"lanes": []})", R"({"lanes": 3, "engines": []})",
                                 R"({"lanes": [{"units": 3}], "engines": []})"}) {
    expect_refused(text);
  }
  expect_refused("{", "a plan is JSON");
}

TEST_F(PlanFileTest, UnitsThatAreNoneAreRefused) {
  expect_refused(R"({"lanes": [{"name": "one", "units": "many"}], "engines": []})");
  expect_refused(R"({"lanes": [{"name": "one", "units": null}], "engines": []})");
  expect_refused(R"({"lanes": [{"name": "one", "units": 1.5}], "engines": []})", "'one'", "units");
  expect_refused(R"({"lanes": [{"name": "one", "units": 0}], "engines": []})", "'one'", "units");
}

TEST_F(PlanFileTest, APlanForOtherEnginesIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "one"}]})", "'vision'",
                 "make a plan");
}

TEST_F(PlanFileTest, AnEngineOnALaneThatThePlanLacksIsRefused) {
  expect_refused(R"({"lanes": [{"name": "one"}], "engines": [{"name": "policy", "lane": "two"}]})", "'policy'",
                 "'two'");
}

}  // namespace
}  // namespace greenlane::runtime

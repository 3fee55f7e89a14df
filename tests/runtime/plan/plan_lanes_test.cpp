#include "support/matchers.hpp"
#include "support/test_pipeline.hpp"

#include <greenlane/detail/runtime/plan_lanes.hpp>

#include <gmock/gmock.h>

#include <atomic>

namespace greenlane::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PlanLanesTest : public ::testing::Test {
 protected:
  [[nodiscard]] PipelineConfig config(const std::string& tables) const {
    return load_config(folder_.write("pipeline.toml", "device = 'cpu'\n" + tables));
  }
  Folder folder_;
};

TEST_F(PlanLanesTest, LanesAreOpenIfTheFileSaysNothingOfUnits) {
  const auto a = engine_table("a", "affine");
  const auto b = engine_table("b", "pair");
  EXPECT_TRUE(leaves_all_open(config(a + b)));
  EXPECT_FALSE(leaves_all_open(config(a))) << "there is nothing to divide";
  EXPECT_FALSE(leaves_all_open(config(a + b + "[lane.b]\nunits = 1\n")));
  EXPECT_FALSE(leaves_all_open(config(a + engine_table("b", "pair", "lane = 'a'\n")))) << "the file says who shares";
}

TEST_F(PlanLanesTest, EachEngineHasALaneOfThePlan) {
  auto pipeline = cpu_pipeline(
      folder_, engine_table("a", "affine", "rate_hz = 20\ndeadline_ms = 2000\n") + engine_table("b", "pair"));
  const auto planned = plan_lanes(pipeline, {});
  EXPECT_THAT(planned.obstacle, IsEmpty());
  ASSERT_EQ(planned.config.engines.size(), 2U);
  EXPECT_FALSE(leaves_all_open(planned.config)) << "each lane has units, or is beside a lane that has them";
  for (const auto& engine : planned.config.engines)
    EXPECT_NE(std::ranges::find(planned.config.lanes, engine.lane, &LaneConfig::name), planned.config.lanes.end());
  EXPECT_TRUE(leaves_all_open(pipeline.config())) << "the pipeline is as it was";
}

TEST_F(PlanLanesTest, LanesStayAsTheyWereIfNothingFits) {
  auto pipeline = cpu_pipeline(
      folder_, engine_table("a", "affine", "rate_hz = 20\ndeadline_ms = 0.0001\n") + engine_table("b", "pair"));
  const auto planned = plan_lanes(pipeline, {});
  EXPECT_THAT(planned.obstacle, HasSubstr("'a'"));
  EXPECT_TRUE(leaves_all_open(planned.config));
}

TEST_F(PlanLanesTest, AStopIsAnObstacle) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine") + engine_table("b", "pair"));
  const std::atomic<bool> stop{true};
  const auto planned = plan_lanes(pipeline, {.stop = &stop, .progress = {}});
  EXPECT_THAT(planned.obstacle, HasSubstr("stopped"));
  EXPECT_TRUE(leaves_all_open(planned.config));
}

}  // namespace
}  // namespace greenlane::runtime

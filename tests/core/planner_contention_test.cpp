#include "support/plan_requests.hpp"

#include <greenlane/core/planner.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenlane {
namespace {

using greenlane::testing::head;
using greenlane::testing::policy;
using greenlane::testing::request;
using greenlane::testing::vision;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(LearnedContention, ComesNearToWhatSlowsAnEngineDown) {
  auto wanted = request({policy(), vision(), head()});
  auto truth = wanted;
  truth.contention = {{1, 1, 1}, {1, 1, 1.4}, {1, 1, 1}};
  const std::vector<PlannedPartition> partitions{
      {.name = {}, .units = {8}, .sharing = Sharing::alone, .engines = {0}},
      {.name = {}, .units = {24}, .sharing = Sharing::alone, .engines = {1}},
      {.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {2}}};
  const auto measured = predict(truth, partitions);
  Plan plan;
  for (int run = 0; run < 12; ++run) {
    plan = predict(wanted, partitions);
    std::vector<MeasuredLatency> latencies;
    for (const auto& engine : measured.engines)
      latencies.push_back({.engine = engine.name, .p50 = engine.p50, .p99 = engine.p99});
    wanted.contention = learn_contention(wanted, plan, latencies);
  }
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(plan.engines[i].p99 / measured.engines[i].p99, 1, 0.01) << plan.engines[i].name;
  // The one that always runs has most of the blame.
  EXPECT_GT(wanted.contention[1][2], 1.3);
  EXPECT_LT(wanted.contention[1][0], 1.05);
}

TEST(LearnedContention, StaysWithinItsBoundsAndKeepsWhatWasNotMeasured) {
  const auto wanted = request({policy(), head()});
  const auto plan = make_plan(wanted);
  ASSERT_THAT(plan.partitions, SizeIs(2));
  const auto learn = [&](double times) {
    return learn_contention(
        wanted, plan,
        std::vector<MeasuredLatency>{
            {.engine = "policy", .p50 = plan.engines[0].p50 * times, .p99 = plan.engines[0].p99 * times}});
  };
  EXPECT_THAT(learn(4), ElementsAre(ElementsAre(1, ::testing::DoubleNear(2, 1e-9)), ElementsAre(1, 1)));
  EXPECT_DOUBLE_EQ(learn(1e9)[0][1], 8);
  EXPECT_DOUBLE_EQ(learn(1e-9)[0][1], 0.8);
  EXPECT_THROW((void)learn_contention(wanted, plan, std::vector<MeasuredLatency>{{.engine = "nobody"}}), ConfigError);
}

}  // namespace
}  // namespace greenlane

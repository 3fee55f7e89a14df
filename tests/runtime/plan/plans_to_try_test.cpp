#include "runtime/plan/plans_to_try.hpp"

#include <gmock/gmock.h>

#include <functional>
#include <set>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Units kDevice{68};

using LatencyAt = std::function<double(int units)>;

double flat(int /*units*/) { return 200; }
double shrinking(int units) { return 9000.0 / units; }

// One urgent engine and best-effort engines, on a device of eight groups of eight units and four more units.
class PlansToTryTest : public ::testing::Test {
 protected:
  PlansToTryTest() { so_far_.request.device = {.whole = 8, .each = {8}, .remainder = {4}}; }

  void add_engine(const std::string& name, const LatencyAt& latency, std::optional<Microseconds> deadline = {}) {
    EngineDemand demand{.name = name, .curve = {}, .deadline = deadline};
    if (deadline) demand.period = milliseconds(2);
    for (const int units : {8, 16, 24, 32, 40, 48, 56, 64, kDevice.count}) {
      const Microseconds time(latency(units));
      demand.curve.push_back({.units = {units}, .p50 = time, .p99 = time, .mean = time});
    }
    so_far_.request.engines.push_back(std::move(demand));
    EngineConfig engine;
    engine.name = engine.lane = name;
    config_.engines.push_back(engine);
  }

  // Returns the plan with each engine alone on its number of groups. The last engine takes the rest.
  [[nodiscard]] Plan apart(const std::vector<int>& groups) const {
    std::vector<PlannedPartition> partitions;
    for (std::size_t i = 0; i < so_far_.request.engines.size(); ++i) {
      PlannedPartition partition;
      partition.engines = {i};
      partition.is_rest = i == groups.size();
      if (!partition.is_rest) partition.units = {8 * groups[i]};
      partitions.push_back(partition);
    }
    return predict(so_far_.request, partitions);
  }

  [[nodiscard]] Plan together() const {
    PlannedPartition whole{.name = {}, .units = {}, .is_whole = true, .sharing = Sharing::queue, .engines = {}};
    for (std::size_t i = 0; i < so_far_.request.engines.size(); ++i) whole.engines.push_back(i);
    return predict(so_far_.request, std::vector{whole});
  }

  void add_measured(const std::optional<Plan>& plan, bool meets, double throughput) {
    PlanCandidate candidate{.mode = plan ? Mode::lanes : Mode::gates, .plan = plan};
    candidate.measured = {.engines = {},
                          .meets_deadlines = meets,
                          .has_margin = meets,
                          .throughput = throughput,
                          .slack = meets ? 0.5 : -0.5};
    so_far_.candidates.push_back(std::move(candidate));
  }

  [[nodiscard]] std::vector<Plan> next(PlansToTry::Kind kind, std::size_t most = 100) {
    return plans_.next(kind, so_far_, config_, most);
  }

  PlanResult so_far_;
  PipelineConfig config_;
  PlansToTry plans_;
};

std::vector<int> sizes(const Plan& plan) {
  std::vector<int> units;
  for (const auto& partition : plan.partitions) units.push_back(partition.units.count);
  return units;
}

std::vector<std::vector<int>> sizes(const std::vector<Plan>& plans) {
  std::vector<std::vector<int>> all;
  for (const auto& plan : plans) all.push_back(sizes(plan));
  return all;
}

TEST_F(PlansToTryTest, NearbyPlansMoveOneOrTwoGroups) {
  add_engine("policy", flat, milliseconds(1));
  add_engine("head", flat);
  add_engine("vision", flat);
  add_measured(apart({2, 3}), true, 1);
  add_measured(apart({1, 1}), true, 0.5);
  std::set<std::vector<int>> seen;
  for (const std::size_t expected : {4U, 4U, 2U, 0U}) {
    const auto plans = next(PlansToTry::nearby, 4);
    ASSERT_THAT(plans, SizeIs(expected));
    for (const auto& plan : plans) {
      const auto units = sizes(plan);
      EXPECT_TRUE(seen.insert(units).second);
      EXPECT_EQ(units[0] + units[1] + units[2], kDevice.count);
      EXPECT_EQ(units[0] % 8 + units[1] % 8, 0);
      EXPECT_THAT(units, ::testing::Each(::testing::Ge(8)));
      EXPECT_GE(units[2], 8 + 4) << "the rest is smaller than a group with the odd group";
      EXPECT_TRUE(plan.partitions[2].is_rest);
      for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT(plan.partitions[i].engines, ElementsAre(i));
    }
  }
  EXPECT_EQ(seen, (std::set<std::vector<int>>{{8, 32, 28},
                                              {8, 24, 36},
                                              {24, 16, 28},
                                              {32, 8, 28},
                                              {16, 16, 36},
                                              {16, 8, 44},
                                              {24, 24, 20},
                                              {32, 24, 12},
                                              {16, 32, 20},
                                              {16, 40, 12}}));

  add_measured(apart({3, 3}), true, 2);
  for (const auto& plan : next(PlansToTry::nearby))
    EXPECT_TRUE(seen.insert(sizes(plan)).second) << "a plan near the new best plan was returned twice";
  EXPECT_TRUE(seen.contains({32, 16, 20}));
}

TEST_F(PlansToTryTest, NearbyPlansKeepSharingAndFreeGroups) {
  add_engine("policy", flat, milliseconds(1));
  add_engine("head", flat);
  add_engine("vision", flat);
  PlannedPartition small;
  small.units = {16};
  small.engines = {1};
  PlannedPartition shared;
  shared.units = {24};
  shared.sharing = Sharing::queue;
  shared.engines = {0, 2};
  add_measured(predict(so_far_.request, std::vector{small, shared}), true, 1);
  const auto plans = next(PlansToTry::nearby);
  EXPECT_THAT(sizes(plans),
              ::testing::UnorderedElementsAre(ElementsAre(8, 32), ElementsAre(24, 16), ElementsAre(32, 8)));
  for (const auto& plan : plans) {
    EXPECT_EQ(plan.partitions[1].sharing, Sharing::queue);
    EXPECT_THAT(plan.partitions[1].engines, ElementsAre(0, 2));
  }
}

TEST_F(PlansToTryTest, NearbyPlansAreNotPredictedToBeClearlyWorse) {
  add_engine("policy", shrinking, microseconds(1100));
  add_engine("head", shrinking);
  add_measured(apart({2}), true, 0.5);
  EXPECT_THAT(sizes(next(PlansToTry::nearby)), ElementsAre(ElementsAre(8, 60)))
      << "another plan than one group less for policy was returned";
}

TEST_F(PlansToTryTest, NearbyPlansAreNotPredictedToBeMuchLater) {
  add_engine("policy", shrinking, microseconds(1000));
  add_engine("head", shrinking);
  add_measured(apart({2}), true, 0.5);
  EXPECT_THAT(next(PlansToTry::nearby), IsEmpty());
}

TEST_F(PlansToTryTest, NearbyPlansAreTriedDespiteAWrongPrediction) {
  add_engine("policy", flat, microseconds(150));
  add_engine("head", flat);
  add_measured(apart({2}), true, 0.1);
  EXPECT_THAT(next(PlansToTry::nearby), SizeIs(3));
}

TEST_F(PlansToTryTest, NearbyPlansGiveUpThroughputForADeadline) {
  add_engine("policy", shrinking, microseconds(500));
  add_engine("head", shrinking);
  add_measured(apart({2}), false, 0.5);
  EXPECT_THAT(sizes(next(PlansToTry::nearby)), ElementsAre(ElementsAre(24, 44), ElementsAre(32, 36)))
      << "the two plans in time are not sorted by throughput";
}

TEST_F(PlansToTryTest, TheLeastLateNearbyPlanComesFirst) {
  add_engine("policy", shrinking, microseconds(250));
  add_engine("head", shrinking);
  add_measured(apart({2}), false, 0.5);
  EXPECT_THAT(sizes(next(PlansToTry::nearby)), ElementsAre(ElementsAre(32, 36), ElementsAre(24, 44)));
}

TEST_F(PlansToTryTest, OnlyPartitionedPlansHaveNearbyPlans) {
  add_engine("policy", flat, milliseconds(1));
  add_engine("head", flat);
  EXPECT_THAT(next(PlansToTry::nearby), IsEmpty()) << "a nearby plan was returned before any measurement";
  add_measured(apart({2}), true, 0.5);
  add_measured(together(), true, 1);
  EXPECT_THAT(next(PlansToTry::nearby), IsEmpty());
  add_measured({}, true, 2);
  EXPECT_THAT(next(PlansToTry::nearby), IsEmpty()) << "a nearby plan was returned for a mode";
}

TEST_F(PlansToTryTest, ThePlannersBestPlanComesFirstAndOnce) {
  add_engine("policy", shrinking, milliseconds(1));
  add_engine("head", shrinking);
  const auto best = make_plan(so_far_.request);
  EXPECT_THAT(sizes(next(PlansToTry::first, 1)), ElementsAre(sizes(best)));
  EXPECT_THAT(next(PlansToTry::first, 1), IsEmpty());
  EXPECT_THAT(next(PlansToTry::predicted), ::testing::Not(::testing::Contains(::testing::ResultOf(
                                               [](const Plan& plan) { return sizes(plan); }, sizes(best)))));
}

TEST_F(PlansToTryTest, PredictedPlansBeatTheMeasuredOnes) {
  add_engine("policy", shrinking, milliseconds(5));
  add_engine("head", shrinking);
  add_measured({}, true, 10);
  EXPECT_THAT(next(PlansToTry::predicted), IsEmpty());
  so_far_.candidates.clear();
  add_measured({}, true, 0.01);
  EXPECT_THAT(next(PlansToTry::predicted, 1), SizeIs(1));
  EXPECT_THAT(next(PlansToTry::predicted), SizeIs(1)) << "another number than the one remaining plan was returned";
  EXPECT_THAT(next(PlansToTry::predicted), IsEmpty());
}

TEST_F(PlansToTryTest, UnmeasuredSharingIsHopedFor) {
  add_engine("policy", shrinking, milliseconds(1));
  add_engine("head", [](int units) { return 90'000.0 / units; });
  so_far_.request.engines[1].period = milliseconds(10);
  add_measured({}, true, 0.01);
  ASSERT_FALSE(together().meets_deadlines);
  EXPECT_THAT(next(PlansToTry::predicted), SizeIs(1)) << "another plan than separate partitions is predicted to fit";
  const auto hoped_for = next(PlansToTry::hoped_for);
  ASSERT_THAT(hoped_for, SizeIs(1));
  EXPECT_TRUE(hoped_for[0].partitions[0].is_whole);
  EXPECT_EQ(hoped_for[0].engines[0].p99, together().engines[0].p99)
      << "the prediction of the hoped-for plan was changed";

  plans_ = {};
  so_far_.request.corrections.push_back(
      {.engines = {0, 1}, .sharing = Sharing::queue, .factors = std::vector<PredictionFactors>(2)});
  EXPECT_THAT(next(PlansToTry::predicted), SizeIs(1));
  EXPECT_THAT(next(PlansToTry::hoped_for), IsEmpty()) << "sharing is still hoped for after it was measured";
}

TEST_F(PlansToTryTest, SharingWithABusyEngineIsNotHopedFor) {
  add_engine("policy", shrinking, milliseconds(1));
  add_engine("head", [](int units) { return 90'000.0 / units; });
  add_measured({}, true, 0.01);
  ASSERT_FALSE(together().meets_deadlines);
  EXPECT_THAT(next(PlansToTry::predicted), SizeIs(1)) << "another plan than separate partitions is predicted to fit";
  EXPECT_THAT(next(PlansToTry::hoped_for), IsEmpty());
}

}  // namespace
}  // namespace greenlane::runtime

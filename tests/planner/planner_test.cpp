#include "support/planner_test.hpp"

namespace greenlane {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Planner, ASingleEngineHasTheWholeDevice) {
  const auto plan = make_plan(request({head()}));
  ASSERT_THAT(plan.partitions, SizeIs(1));
  EXPECT_TRUE(plan.partitions[0].is_whole);
  EXPECT_EQ(plan.partitions[0].units.count, kAllUnits);
  EXPECT_EQ(plan.engines[0].lane, "head");
  EXPECT_DOUBLE_EQ(plan.throughput, 1);
  EXPECT_NEAR(plan.engines[0].rate_hz, 100, 1e-9);
  EXPECT_NEAR(plan.engines[0].utilisation, 1, 1e-9);
  EXPECT_TRUE(plan.exact);
  EXPECT_EQ(plan.gap, 0);
}

TEST(Planner, AnUrgentEngineGetsSeparateUnitsIfItCannotWait) {
  const auto plan = make_plan(request({policy(), head()}));
  ASSERT_THAT(plan.partitions, SizeIs(2));
  EXPECT_EQ(plan.partitions[0].units.count, 8);
  EXPECT_TRUE(plan.partitions[1].is_rest);
  EXPECT_EQ(plan.partitions[1].units.count, kAllUnits - 8);
  EXPECT_NEAR(plan.throughput, 60.0 / 68, 1e-6);
  EXPECT_NEAR(plan.slack, 1 - 0.11, 1e-9);
}

// 350 × 1.1 is greater than 385 in floating point.
TEST(Planner, ADeadlineThatIsTheP99WithItsMarginIsMet) {
  const LatencyPoint point{
      .units = {kAllUnits}, .p50 = Microseconds(300), .p99 = Microseconds(350), .mean = Microseconds(300)};
  const EngineDemand exact{.name = "exact", .curve = {point}, .period = milliseconds(5), .deadline = Microseconds(385)};
  EXPECT_TRUE(make_plan(request({exact})).meets_deadlines);

  auto on_a_path = request({exact});
  on_a_path.engines[0].deadline = milliseconds(1);
  on_a_path.paths = {{.name = "path", .engines = {0}, .deadline = Microseconds(385)}};
  EXPECT_TRUE(make_plan(on_a_path).meets_deadlines);
}

TEST(Planner, GatesAreChosenIfTheyIncreaseThroughput) {
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 200, 0.05);
  const auto plan = make_plan(request({policy(), cuttable}));
  ASSERT_THAT(plan.partitions, SizeIs(1));
  EXPECT_EQ(plan.partitions[0].sharing, Sharing::gated);
  EXPECT_NEAR(plan.throughput, 0.99 * 0.95, 1e-6);
  EXPECT_NEAR(plan.engines[0].p99.count(), 55 + 200, 1e-9);
  EXPECT_FALSE(plan.engines[0].gated);
  EXPECT_TRUE(plan.engines[1].gated);
  EXPECT_EQ(plan.engines[0].priority, -1);
  EXPECT_EQ(plan.engines[1].priority, 0);
  EXPECT_EQ(plan.engines[0].lane, "policy");

  // With too long a slice, lanes are better.
  cuttable.slices = slices(kAllUnits, 2000, 0.05);
  EXPECT_THAT(make_plan(request({policy(), cuttable})).partitions, SizeIs(2));
}

// One kernel of 1.1 ms, beside a deadline of 1 ms.
TEST(Planner, AnEngineWithAKernelLongerThanADeadlineGetsSeparateUnits) {
  auto hog = head();
  hog.slices = slices(kAllUnits, 1100, 0.02);
  const auto apart = make_plan(request({policy(), hog}));
  ASSERT_THAT(apart.partitions, SizeIs(2));
  EXPECT_NE(apart.engines[0].partition, apart.engines[1].partition);
  EXPECT_FALSE(apart.engines[1].gated);
  EXPECT_TRUE(apart.meets_deadlines);

  hog.slices = slices(kAllUnits, 110, 0.02);
  EXPECT_THAT(make_plan(request({policy(), hog})).partitions, SizeIs(1)) << "the kernel is not what parts them";
}

TEST(Planner, AnUrgentEngineWaitsForSlicesOfAllBestEffortEngines) {
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 200, 0.05);
  auto other = cuttable;
  other.name = "other";
  other.slices = slices(kAllUnits, 300, 0.1);
  const std::vector<PlannedPartition> together{
      {.name = {}, .units = {}, .is_whole = true, .sharing = Sharing::gated, .engines = {0, 1, 2}}};
  const auto plan = predict(request({policy(), cuttable, other}), together);
  EXPECT_NEAR(plan.engines[0].p99.count(), 55 + 200 + 300, 1e-9);
  // The two engines share the time that is left.
  EXPECT_NEAR(plan.engines[1].rate_hz, 0.5 * 0.99 * 0.95 * 100, 1e-9);
  EXPECT_NEAR(plan.engines[2].rate_hz, 0.5 * 0.99 * 0.9 * 100, 1e-9);
  EXPECT_NEAR(plan.partitions[0].utilisation, 1, 1e-9);
}

// An urgent engine that shares the whole device with best effort. One call takes 50 us, of which the device works
// for 20.
EngineDemand measured_policy() {
  auto engine = policy();
  for (auto& each : engine.curve) each.device = each.mean * 0.4;
  return engine;
}

EngineDemand in_flight(const std::string& name, double time) {
  auto engine = head();
  engine.name = name;
  engine.slices = slices(kAllUnits, time, 0.05);
  return engine;
}

Plan behind_one_gate(const std::vector<EngineDemand>& engines) {
  PlannedPartition together{.name = {}, .units = {}, .is_whole = true, .sharing = Sharing::gated, .engines = {}};
  for (std::size_t i = 0; i < engines.size(); ++i) together.engines.push_back(i);
  return predict(request(engines), std::vector{together});
}

TEST(GatePrices, AShortCallCostsItsDeviceTime) {
  const auto plan = behind_one_gate({measured_policy(), in_flight("head", 200)});
  EXPECT_NEAR(plan.engines[1].rate_hz, (1 - 20.0 / 5000) * 0.95 * 100, 1e-9);
  EXPECT_NEAR(plan.engines[0].p99.count(), 55 + 200, 1e-9) << "the price changed the urgent engine's own latency";
}

TEST(GatePrices, ALongPeriodicCallCostsItsLatencyAndTheSlicesInFlight) {
  const auto plan = behind_one_gate({measured_policy(), in_flight("head", 20)});
  EXPECT_NEAR(plan.engines[1].rate_hz, (1 - (50 + 20) / 5000.0) * 0.95 * 100, 1e-9);
}

TEST(GatePrices, TheGateClosesAheadForAnEighthOfThePeriodAtMost) {
  auto frequent = measured_policy();
  frequent.period = Microseconds(120);
  const auto plan = behind_one_gate({frequent, in_flight("head", 20)});
  EXPECT_NEAR(plan.engines[1].rate_hz, (1 - (50 + 15) / 120.0) * 0.95 * 100, 1e-9);
}

TEST(GatePrices, NoCallIsShortIfSlicesInFlightTakeMuchOfItsDeadline) {
  auto hasty = measured_policy();
  hasty.deadline = Microseconds(700);
  const auto plan = behind_one_gate({hasty, in_flight("head", 200)});
  EXPECT_NEAR(plan.engines[1].rate_hz, (1 - (50 + 200) / 5000.0) * 0.95 * 100, 1e-9);
}

TEST(GatePrices, ALongCallAtRandomCostsItsLatency) {
  auto random = measured_policy();
  random.arrivals = Arrivals::poisson;
  const auto plan = behind_one_gate({random, in_flight("head", 20)});
  EXPECT_NEAR(plan.engines[1].rate_hz, (1 - 50.0 / 5000) * 0.95 * 100, 1e-9);
}

TEST(GatePrices, ACallOfUnknownDeviceTimeCostsItsLatency) {
  for (const double time : {20, 200}) {
    const auto plan = behind_one_gate({policy(), in_flight("head", time)});
    EXPECT_NEAR(plan.engines[1].rate_hz, (1 - 50.0 / 5000) * 0.95 * 100, 1e-9);
  }
  auto partly = measured_policy();
  partly.curve.back().device.reset();
  EXPECT_NEAR(behind_one_gate({partly, in_flight("head", 200)}).engines[1].rate_hz, (1 - 50.0 / 5000) * 95, 1e-9);
}

TEST(GatePrices, EachBestEffortEngineHasPricesOfItsOwn) {
  const auto plan = behind_one_gate({measured_policy(), in_flight("long", 200), in_flight("short", 20)});
  EXPECT_NEAR(plan.engines[1].rate_hz, 0.5 * (1 - 20.0 / 5000) * 95, 1e-9);
  EXPECT_NEAR(plan.engines[2].rate_hz, 0.5 * (1 - 70.0 / 5000) * 95, 1e-9);
}

TEST(GatePrices, AnUrgentEngineThatIsBackToBackLeavesNothing) {
  auto busy = measured_policy();
  busy.period.reset();
  EXPECT_EQ(behind_one_gate({busy, in_flight("head", 200)}).engines[1].rate_hz, 0);
}

// Slices that take less time because a neighbour is gone do not make a short call long.
TEST(GatePrices, LessContentionRaisesNoPrice) {
  auto wanted = request({measured_policy(), in_flight("head", 26), head()});
  wanted.engines[2].name = "other";
  const std::vector<PlannedPartition> partitions{
      {.name = {}, .units = {32}, .sharing = Sharing::gated, .engines = {0, 1}},
      {.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {2}}};
  wanted.contention = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
  const double before = predict(wanted, partitions).engines[1].rate_hz;
  wanted.contention[1][2] = 0.5;
  EXPECT_NEAR(predict(wanted, partitions).engines[1].rate_hz, 2 * before, 1e-9);
}

TEST(Planner, AnImpossibleDeviceTimeIsRefused) {
  auto engine = policy();
  engine.curve.front().device = Microseconds(0);
  EXPECT_THROW((void)make_plan(request({engine})), ConfigError);
}

TEST(Planner, OneQueueIsChosenIfTheDeadlineAllows) {
  auto patient = vision();
  patient.deadline = milliseconds(40);
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 200, 0.05);
  const auto plan = make_plan(request({patient, cuttable}));
  ASSERT_THAT(plan.partitions, SizeIs(1));
  EXPECT_EQ(plan.partitions[0].sharing, Sharing::queue);
  EXPECT_EQ(plan.engines[0].lane, plan.engines[1].lane);
  EXPECT_FALSE(plan.engines[1].gated);
}

TEST(Planner, ShorterDeadlinesHaveHigherPriorities) {
  auto first = policy();
  auto second = policy();
  second.name = "second";
  second.deadline = milliseconds(2);
  auto third = policy();
  third.name = "third";
  third.deadline = milliseconds(3);
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 200, 0);
  auto wanted = request({third, first, second, cuttable});
  const std::vector<PlannedPartition> together{
      {.name = {}, .units = {}, .is_whole = true, .sharing = Sharing::gated, .engines = {0, 1, 2, 3}}};
  const auto priorities = [&] {
    std::vector<int> all;
    for (const auto& engine : predict(wanted, together).engines) all.push_back(engine.priority);
    return all;
  };
  EXPECT_THAT(priorities(), ElementsAre(-1, -3, -2, 0));
  wanted.greatest_priority = -2;
  EXPECT_THAT(priorities(), ElementsAre(-1, -2, -1, 0));
}

TEST(Planner, AHigherWeightGetsMoreUnits) {
  auto other = head();
  other.name = "other";
  auto wanted = request({head(), other});
  wanted.engines[1].weight = 5;
  const auto plan = make_plan(wanted);
  // The device is divided, because in one queue both engines would get the same.
  ASSERT_THAT(plan.partitions, SizeIs(2));
  EXPECT_LT(plan.partitions[0].units, plan.partitions[1].units);
}

TEST(Planner, ALargerButSlowerPartitionIsNotChosen) {
  EngineDemand jumpy{.name = "jumpy",
                     .curve = {point(8, 500), point(16, 200), point(24, 300), point(kAllUnits, 300)},
                     .period = milliseconds(10),
                     .deadline = milliseconds(1)};
  auto other = jumpy;
  other.name = "other";
  // Together the engines would wait for each other.
  const auto plan = make_plan(request({jumpy, other}));
  ASSERT_THAT(plan.partitions, SizeIs(2));
  for (const auto& partition : plan.partitions) EXPECT_EQ(partition.units.count, 16);
}

TEST(Planner, UnmeasuredSizesCountAsTheSlowerNeighbour) {
  const auto p99_at = [](int units) {
    auto wanted = request({{.name = "a", .curve = {point(16, 100), point(32, 400), point(56, 200)}}, head()});
    const std::vector<PlannedPartition> partitions{
        {.name = {}, .units = {units}, .sharing = Sharing::alone, .engines = {0}},
        {.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {1}}};
    return predict(wanted, partitions).engines[0].p50.count();
  };
  EXPECT_DOUBLE_EQ(p99_at(16), 100);
  EXPECT_DOUBLE_EQ(p99_at(24), 400);
  EXPECT_DOUBLE_EQ(p99_at(40), 400);
  EXPECT_DOUBLE_EQ(p99_at(56), 200);
  EXPECT_DOUBLE_EQ(p99_at(8), 200);
}

TEST(Planner, ContentionPreventsSeparatePartitions) {
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 700, 0.3);
  auto wanted = request({policy(), cuttable});
  EXPECT_THAT(make_plan(wanted).partitions, SizeIs(2));
  wanted.contention = {{1, 20}, {1, 1}};
  EXPECT_THAT(make_plan(wanted).partitions, SizeIs(1));
}

TEST(Planner, ABestEffortRateIsAnUpperLimit) {
  auto slow = head();
  slow.period = milliseconds(100);
  const auto plan = make_plan(request({slow}));
  EXPECT_NEAR(plan.engines[0].rate_hz, 10, 1e-9);
  EXPECT_NEAR(plan.throughput, 0.1, 1e-6);
  slow.period = milliseconds(2);  // more than the device can do
  const auto late = make_plan(request({slow}));
  EXPECT_NEAR(late.engines[0].rate_hz, 100, 1e-9);
  EXPECT_TRUE(std::isinf(late.engines[0].p99.count()));
}

TEST(Planner, CandidatesMeetAllDeadlines) {
  const auto plans = plan_candidates(request({policy(), vision(), head()}), 10);
  ASSERT_GE(plans.size(), 2U);
  EXPECT_EQ(plans.front().throughput, make_plan(request({policy(), vision(), head()})).throughput);
  for (const auto& plan : plans) {
    EXPECT_TRUE(plan.meets_deadlines);
    EXPECT_NEAR(plan.gap, plans.front().throughput - plan.throughput, 1e-9);
  }
}

TEST(Prediction, ImpossiblePartitionsAreRefused) {
  const auto wanted = request({policy(), head()});
  const auto refusal = [&](const std::vector<PlannedPartition>& partitions) -> std::string {
    try {
      (void)predict(wanted, partitions);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "none";
  };
  const PlannedPartition first{.name = {}, .units = {8}, .sharing = Sharing::alone, .engines = {0}};
  const PlannedPartition rest{.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {1}};
  EXPECT_EQ(refusal({first, rest}), "none");
  EXPECT_THAT(refusal({first}), HasSubstr("in no partition"));
  EXPECT_THAT(refusal({first, first}), HasSubstr("in two partitions"));
  auto odd = first;
  odd.units = {12};
  EXPECT_THAT(refusal({odd, rest}), HasSubstr("no whole groups of 8"));
  auto large = rest;
  large.is_rest = false;
  large.units = {64};
  EXPECT_THAT(refusal({first, large}), HasSubstr("more than the 8 groups"));
  auto all_groups = first;
  all_groups.units = {64};
  EXPECT_THAT(refusal({all_groups, rest}), HasSubstr("only the odd group of 4 units is left for the rest"));
  auto gated = rest;
  gated.engines = {0, 1};
  gated.sharing = Sharing::gated;
  EXPECT_THAT(refusal({gated}), HasSubstr("gates need"));
  gated.sharing = Sharing::alone;
  EXPECT_THAT(refusal({gated}), HasSubstr("alone"));
}

}  // namespace
}  // namespace greenlane

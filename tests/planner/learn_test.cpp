#include "support/planner_test.hpp"

#include <greenlane/detail/planner/learn.hpp>

#include <random>

namespace greenlane {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<MeasuredEngine> run_of(const Plan& truth) {
  std::vector<MeasuredEngine> measured;
  for (const auto& engine : truth.engines)
    measured.push_back({.engine = engine.name, .p50 = engine.p50, .p99 = engine.p99, .rate_hz = engine.rate_hz});
  return measured;
}

const std::vector<PlannedPartition> kThreeLanes{
    {.name = {}, .units = {8}, .sharing = Sharing::alone, .engines = {0}},
    {.name = {}, .units = {24}, .sharing = Sharing::alone, .engines = {1}},
    {.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {2}}};

EngineDemand cuttable_head() {
  auto cuttable = head();
  cuttable.slices = slices(kAllUnits, 200, 0.05);
  return cuttable;
}

// Returns partitions with policy and head together, and vision beside them.
std::vector<PlannedPartition> two_together(Sharing sharing) {
  return {{.name = {}, .units = {32}, .sharing = sharing, .engines = {0, 2}},
          {.name = {}, .units = {}, .is_rest = true, .sharing = Sharing::alone, .engines = {1}}};
}

TEST(Learning, LearnedContentionApproachesTheTrueContention) {
  auto wanted = request({policy(), vision(), head()});
  auto truth = wanted;
  truth.contention = {{1, 1, 1}, {1, 1, 1.4}, {1, 1, 1}};
  const auto measured = predict(truth, kThreeLanes);
  for (int run = 0; run < 12; ++run) wanted = learn(wanted, predict(wanted, kThreeLanes), run_of(measured));
  const auto plan = predict(wanted, kThreeLanes);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(plan.engines[i].p99 / measured.engines[i].p99, 1, 0.01) << plan.engines[i].name;
  // The engine that always runs gets most of the blame.
  EXPECT_GT(wanted.contention[1][2], 1.3);
  EXPECT_LT(wanted.contention[1][0], 1.05);
}

PlanRequest learned_of_policy(const PlanRequest& wanted, double times) {
  const auto plan = make_plan(wanted);
  EXPECT_THAT(plan.partitions, SizeIs(2));
  return learn(wanted, plan,
               std::vector<MeasuredEngine>{
                   {.engine = "policy", .p50 = plan.engines[0].p50 * times, .p99 = plan.engines[0].p99 * times}});
}

TEST(Learning, LearnedFactorsStayWithinTheirBounds) {
  const auto wanted = request({policy(), head()});
  EXPECT_THAT(learned_of_policy(wanted, 4).contention,
              ElementsAre(ElementsAre(1, DoubleNear(2, 1e-9)), ElementsAre(1, 1)));
  const auto slow = learned_of_policy(wanted, 1e9);
  EXPECT_DOUBLE_EQ(slow.contention[0][1], 8);
  EXPECT_DOUBLE_EQ(slow.corrections.at(0).factors.at(0).p99, 8);
  const auto fast = learned_of_policy(wanted, 1e-9);
  EXPECT_DOUBLE_EQ(fast.contention[0][1], 0.8);
  EXPECT_DOUBLE_EQ(fast.corrections.at(0).factors.at(0).p99, 1.0 / 8);
}

TEST(Learning, MeasurementsOfOtherEnginesAreRefused) {
  const auto wanted = request({policy(), head()});
  const auto plan = make_plan(wanted);
  EXPECT_THAT(learn(wanted, plan, std::vector<MeasuredEngine>{{.engine = "policy"}}).corrections, IsEmpty());
  EXPECT_THROW((void)learn(wanted, plan, std::vector<MeasuredEngine>{{.engine = "nobody"}}), ConfigError);
}

TEST(Learning, ALongTailIsNotLearnedAsContention) {
  const auto wanted = request({policy(), vision(), head()});
  const auto plan = predict(wanted, kThreeLanes);
  const auto learned = learn(
      wanted, plan,
      std::vector<MeasuredEngine>{{.engine = "vision", .p50 = plan.engines[1].p50, .p99 = plan.engines[1].p99 * 4.0}});
  EXPECT_THAT(learned.contention[1], ElementsAre(1, 1, 1));
  ASSERT_THAT(learned.corrections, SizeIs(1));
  EXPECT_THAT(learned.corrections[0].engines, ElementsAre(1));
  EXPECT_NEAR(learned.corrections[0].factors[0].p99, 2, 1e-9);
}

TEST(Learning, SharedPartitionsTeachCorrectionsOnly) {
  auto wanted = request({policy(), vision(), cuttable_head()});
  auto truth = wanted;
  truth.corrections = {{.engines = {0, 2}, .sharing = Sharing::gated, .factors = {{2, 0.4, 1}, {1.5, 2, 0.7}}}};
  const auto measured = predict(truth, two_together(Sharing::gated));
  for (int run = 0; run < 12; ++run)
    wanted = learn(wanted, predict(wanted, two_together(Sharing::gated)), run_of(measured));
  EXPECT_THAT(wanted.contention[0], ElementsAre(1, 1, 1));
  EXPECT_THAT(wanted.contention[2], ElementsAre(1, 1, 1));
  const auto& learned = wanted.corrections.at(0);
  EXPECT_THAT(learned.engines, ElementsAre(0, 2));
  EXPECT_EQ(learned.sharing, Sharing::gated);
  EXPECT_NEAR(learned.factors[0].p99, 0.4, 0.01);
  EXPECT_EQ(learned.factors[0].rate, 1);
  EXPECT_NEAR(learned.factors[1].rate, 0.7, 0.01);
}

TEST(Learning, AnEngineThatIsNeverServedLearnsTheLowestRate) {
  auto wanted = request({policy(), vision(), cuttable_head()});
  const auto partitions = two_together(Sharing::gated);
  const std::vector<MeasuredEngine> starved{{.engine = "head", .rate_hz = 0}};
  for (int run = 0; run < 9; ++run) wanted = learn(wanted, predict(wanted, partitions), starved);
  EXPECT_DOUBLE_EQ(wanted.corrections.at(0).factors.at(1).rate, 1.0 / 8);
}

// Returns the model's prediction times factors that no planner knows.
template <typename Draw>
std::vector<MeasuredEngine> hidden_truth(const Draw& draw, const PlanRequest& request, const Plan& plan) {
  auto measured = run_of(plan);
  for (std::size_t i = 0; i < measured.size(); ++i) {
    measured[i].p50 *= draw(4, 20) / 10.0;
    measured[i].p99 = std::max(measured[i].p50, measured[i].p99 * (draw(4, 30) / 10.0));
    double& rate = measured[i].rate_hz.value();
    const auto& demand = request.engines[i];
    if (!demand.deadline) rate *= draw(5, 15) / 10.0;
    if (demand.period) rate = std::min(rate, 1e6 / demand.period->count());
  }
  return measured;
}

// Compares predictions with measurements. The model has no finite p99 for an engine that cannot keep up, and rates are
// compared for best-effort engines only.
void expect_near(const PlanRequest& request, const Plan& learned, const std::vector<MeasuredEngine>& measured) {
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const auto& engine = learned.engines[i];
    const double rate = measured[i].rate_hz.value();
    if (std::isfinite(engine.p99.count())) {
      EXPECT_NEAR(engine.p99 / measured[i].p99, 1, 0.02) << i;
      EXPECT_NEAR(engine.p50 / measured[i].p50, 1, 0.02) << i;
    }
    if (request.engines[i].deadline) continue;
    EXPECT_NEAR(engine.rate_hz, rate, 0.02 * rate) << i;
  }
}

TEST(Learning, PredictionsMatchMeasurementsAfterAFewRounds) {
  std::mt19937 random(4);
  const auto draw = [&random](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  int plans = 0;
  for (int round = 0; round < 400; ++round) {
    auto wanted = random_request(draw, 5, 6);
    wanted.corrections.clear();  // with the hidden factors they could leave their bounds
    Plan plan;
    try {
      plan = make_plan(wanted);
    } catch (const PlanError&) {
      continue;
    }
    ++plans;
    const auto measured = hidden_truth(draw, wanted, plan);
    for (int run = 0; run < 12; ++run) wanted = learn(wanted, predict(wanted, plan.partitions), measured);
    expect_near(wanted, predict(wanted, plan.partitions), measured);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(plans, 100);
}

TEST(Corrections, ACorrectionAppliesToOneSetAndOneSharing) {
  const auto plain = request({policy(), vision(), cuttable_head()});
  auto corrected = plain;
  corrected.corrections = {{.engines = {0, 2}, .sharing = Sharing::gated, .factors = {{1.5, 2, 3}, {1, 1, 0.5}}}};
  const auto before = predict(plain, two_together(Sharing::gated));
  const auto after = predict(corrected, two_together(Sharing::gated));
  EXPECT_DOUBLE_EQ(after.engines[0].p50 / before.engines[0].p50, 1.5);
  EXPECT_DOUBLE_EQ(after.engines[0].p99 / before.engines[0].p99, 2);
  EXPECT_DOUBLE_EQ(after.engines[0].rate_hz, before.engines[0].rate_hz)
      << "a correction changed the rate of an engine with a fixed period";
  EXPECT_DOUBLE_EQ(after.engines[2].rate_hz / before.engines[2].rate_hz, 0.5);
  EXPECT_DOUBLE_EQ(after.engines[2].utilisation / before.engines[2].utilisation, 0.5);
  EXPECT_NEAR(after.throughput / before.throughput, 0.5, 1e-5);
  EXPECT_EQ(after.engines[1].p99, before.engines[1].p99);
  for (const auto& others : {two_together(Sharing::queue), kThreeLanes}) {
    const auto same = predict(plain, others);
    const auto other = predict(corrected, others);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(same.engines[i].p99, other.engines[i].p99);
      EXPECT_EQ(same.engines[i].rate_hz, other.engines[i].rate_hz);
    }
  }
}

TEST(Corrections, CorrectedValuesStayConsistent) {
  auto slow = cuttable_head();
  slow.period = std::chrono::milliseconds(50);
  auto wanted = request({policy(), vision(), slow});
  wanted.corrections = {{.engines = {0, 2}, .sharing = Sharing::gated, .factors = {{4, 0.5, 1}, {1, 1, 3}}}};
  const auto plan = predict(wanted, two_together(Sharing::gated));
  EXPECT_EQ(plan.engines[0].p50, plan.engines[0].p99);
  EXPECT_NEAR(plan.engines[2].rate_hz, 20, 1e-9);
}

TEST(Corrections, CorrectionsChangeThePartitionsOfAPlan) {
  auto wanted = request({policy(), cuttable_head()});
  ASSERT_THAT(make_plan(wanted).partitions, SizeIs(1));
  wanted.corrections = {{.engines = {0, 1}, .sharing = Sharing::gated, .factors = {{1, 8, 1}, {}}}};
  EXPECT_THAT(make_plan(wanted).partitions, SizeIs(2))
      << "the plan shares units although the correction predicts a missed deadline";
}

}  // namespace
}  // namespace greenlane

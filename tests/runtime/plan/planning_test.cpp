#include "support/matchers.hpp"
#include "support/test_pipeline.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>
#include <greenlane/detail/runtime/planning.hpp>
#include <greenlane/detail/runtime/verification.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// An urgent and a best-effort engine, on a device of four groups of eight units.
class PlanRequestTest : public ::testing::Test {
 protected:
  PlanRequestTest() {
    for (const std::string name : {"policy", "head"}) {
      EngineConfig engine;
      engine.name = engine.lane = name;
      config_.engines.push_back(engine);
      config_.lanes.push_back({.name = name, .units = {}});
      EngineProfile known{.name = name, .curve = {}, .gated = {}};
      for (const int units : {8, 16, 24, 32}) {
        known.curve.push_back({.units = {units},
                               .p50 = microseconds(8000 / units),
                               .p99 = microseconds(9000 / units),
                               .mean = microseconds(8100 / units),
                               .requests = 100});
      }
      profile_.engines.push_back(std::move(known));
    }
    config_.engines[0].period = config_.engines[0].deadline = milliseconds(2);
    config_.engines[0].arrivals = Arrivals::poisson;
    config_.engines[1].weight = 3;
    profile_.engines[1].gated.push_back({.units = {32}, .in_flight = microseconds(60), .overhead = 0.02, .slices = 9});
    profile_.device.id = {DeviceKind::cuda, 0};
    profile_.device.name = "a GPU";
    profile_.device.units = {32};
    profile_.device.granularity = {8};
    profile_.device.groups = 4;
  }
  PipelineConfig config_;
  Profile profile_;
};

TEST_F(PlanRequestTest, ARequestCombinesConfigurationAndProfile) {
  const auto request = plan_request(config_, profile_);
  EXPECT_EQ(request.device.whole, 4);
  EXPECT_EQ(request.device.each, Units{8});
  ASSERT_EQ(request.engines.size(), 2U);
  const auto& policy = request.engines[0];
  EXPECT_EQ(policy.period, milliseconds(2));
  EXPECT_EQ(policy.deadline, milliseconds(2));
  EXPECT_EQ(policy.arrivals, Arrivals::poisson);
  EXPECT_EQ(policy.curve.size(), 4U);
  EXPECT_EQ(policy.curve[1].p99, microseconds(9000 / 16));
  EXPECT_TRUE(policy.slices.empty());
  EXPECT_EQ(request.engines[1].weight, 3);
  EXPECT_EQ(request.engines[1].slices.at(0).in_flight, microseconds(60));
  config_.engines[1].gates = false;
  EXPECT_TRUE(plan_request(config_, profile_).engines[1].slices.empty());
}

TEST_F(PlanRequestTest, AProfileOfOtherEnginesIsRefused) {
  profile_.engines.pop_back();
  EXPECT_THAT([&] { (void)plan_request(config_, profile_); },
              refuses<ConfigError>("engine.head", "does not have this engine", "greenlane profile"));
}

TEST_F(PlanRequestTest, APlanBecomesLanesOfAConfiguration) {
  const auto request = plan_request(config_, profile_);
  PlannedPartition whole;
  whole.is_whole = true;
  whole.sharing = Sharing::gated;
  whole.engines = {0, 1};
  const auto together = with_plan(config_, predict(request, std::vector{whole}));
  ASSERT_EQ(together.lanes.size(), 2U);
  EXPECT_TRUE(together.lanes[0].units->is_rest());
  EXPECT_EQ(together.lanes[1].beside, together.lanes[0].name);
  EXPECT_FALSE(together.lanes[1].units);
  EXPECT_NE(together.engines[0].lane, together.engines[1].lane);
  EXPECT_EQ(together.engines[1].slice, microseconds(45)) << "of 60 us in flight, 15 are the end of the slice before";
  EXPECT_FALSE(together.engines[0].slice);
  EXPECT_FALSE(together.engines[1].takes_turns);
  config_.engines[1].slice = microseconds(50);
  EXPECT_EQ(with_plan(config_, predict(request, std::vector{whole})).engines[1].slice, microseconds(50));
  config_.engines[1].slice.reset();

  whole.sharing = Sharing::queue;
  const auto queued = with_plan(config_, predict(request, std::vector{whole}));
  ASSERT_EQ(queued.lanes.size(), 1U);
  EXPECT_EQ(queued.engines[0].lane, queued.engines[1].lane);
  EXPECT_TRUE(queued.engines[1].takes_turns) << "an engine of a queue plan does not take turns";
  EXPECT_TRUE(queued.engines[1].gates) << "an engine of a queue plan lost its gates for the mode gates";

  PlannedPartition small;
  small.units = {8};
  small.engines = {0};
  PlannedPartition others;
  others.is_rest = true;
  others.engines = {1};
  const auto apart = with_plan(config_, predict(request, std::vector{small, others}));
  ASSERT_EQ(apart.lanes.size(), 2U);
  EXPECT_EQ(apart.lanes[0].units->units(), Units{8});
  EXPECT_TRUE(apart.lanes[1].units->is_rest());
}

TEST_F(PlanRequestTest, SlicesOfTheWholeDeviceAreUsedWithoutPartitions) {
  profile_.engines[1].gated.push_back({.units = {8}, .in_flight = microseconds(500), .overhead = 0.02, .slices = 9});
  const auto config = with_slices(config_, plan_request(config_, profile_));
  EXPECT_EQ(config.engines[1].slice, microseconds(45));
  EXPECT_FALSE(config.engines[0].slice);
}

TEST_F(PlanRequestTest, AWrittenPlanEqualsTheChosenPlan) {
  const auto result = plan_without_device(config_, plan_request(config_, profile_));
  const Folder folder;
  auto config = config_;
  EXPECT_EQ(apply_plan(config, folder.write("plan.json", plan_json(result, profile_.device))), Mode::lanes);
  const auto& planned = result.candidates.at(result.chosen).config;
  ASSERT_EQ(config.lanes.size(), planned.lanes.size());
  for (std::size_t i = 0; i < config.lanes.size(); ++i) {
    EXPECT_EQ(config.lanes[i].name, planned.lanes[i].name);
    EXPECT_EQ(config.lanes[i].beside, planned.lanes[i].beside);
    EXPECT_EQ(config.lanes[i].units.has_value(), planned.lanes[i].units.has_value());
  }
  for (std::size_t i = 0; i < config.engines.size(); ++i) {
    EXPECT_EQ(config.engines[i].lane, planned.engines[i].lane);
    EXPECT_EQ(config.engines[i].slice, planned.engines[i].slice);
  }
}

TEST_F(PlanRequestTest, ImpossibleDeadlinesAreRefused) {
  config_.engines[0].deadline = microseconds(10);
  EXPECT_THAT([&] { (void)plan_without_device(config_, plan_request(config_, profile_)); },
              refuses<PlanError>("policy"));
}

TEST_F(PlanRequestTest, EachEngineGetsALaneByDefault) {
  config_.lanes = {{.name = "both", .units = UnitRequest(100)}};
  for (auto& engine : config_.engines) engine.lane = "both";
  const auto config = without_lanes(config_);
  ASSERT_EQ(config.lanes.size(), 2U);
  EXPECT_EQ(config.engines[1].lane, config.lanes[1].name);
  EXPECT_FALSE(config.lanes[0].units);
}

TEST_F(PlanRequestTest, AnIndivisibleDeviceIsRefused) {
  profile_.device.groups = 0;
  profile_.device.remainder = {32};
  EXPECT_THAT([&] { (void)plan_without_device(config_, plan_request(config_, profile_)); },
              refuses<ConfigError>("cannot be divided"));
}

PlanCandidate measured(bool meets, double throughput, double slack) {
  PlanCandidate candidate;
  candidate.measured = {
      .engines = {}, .meets_deadlines = meets, .has_margin = meets, .throughput = throughput, .slack = slack};
  return candidate;
}

TEST(BestOf, DeadlinesComeBeforeThroughputAndSlack) {
  EXPECT_EQ(best_of(std::vector{measured(false, 2, -0.1), measured(true, 1, 0.1)}), 1U);
  EXPECT_EQ(best_of(std::vector{measured(true, 1, 0.5), measured(true, 1.1, 0.1)}), 1U);
  EXPECT_EQ(best_of(std::vector{measured(true, 1, 0.1), measured(true, 0.995, 0.5), measured(true, 0.985, 0.9)}), 1U);
  EXPECT_EQ(best_of(std::vector{measured(false, 1, -0.5), measured(false, 0.5, -0.1)}), 1U);
}

TEST(BestOf, APlanWithTheMarginIsBetter) {
  auto scarcely = measured(true, 2, 0.05);
  scarcely.measured.value().has_margin = false;
  EXPECT_EQ(best_of(std::vector{scarcely, measured(true, 1, 0.1)}), 1U);
  EXPECT_EQ(best_of(std::vector{measured(false, 3, -0.1), scarcely}), 1U);
}

TEST_F(PlanRequestTest, ARunHasTheMarginOfTheRequest) {
  const auto request = plan_request(config_, profile_);
  const auto run = [&](std::chrono::microseconds latency) {
    std::vector<EngineResult> engines(2);
    for (auto& engine : engines) {
      engine.requests = 1;
      engine.latency.record(latency);
    }
    return judged(request, engines);
  };
  EXPECT_EQ(rank_of(run(microseconds(1700))), 2);
  EXPECT_EQ(rank_of(run(microseconds(1900))), 1);
  EXPECT_EQ(rank_of(run(microseconds(2100))), 0);
}

TEST_F(PlanRequestTest, AMeasuredMissIsRefused) {
  PlanResult result{.request = plan_request(config_, profile_), .candidates = {measured(false, 1, -1)}, .chosen = 0};
  EngineResult policy;
  policy.name = "policy";
  policy.requests = 1;
  policy.latency.record(milliseconds(4));
  EngineResult head;
  head.name = "head";
  result.candidates[0].measured.value().engines = {policy, head};
  EXPECT_THAT([&] { require_deadlines(result); },
              refuses<PlanError>("no tried plan or mode meets all deadlines", "policy had a p99 of"));
  result.no_plan = PlanError({.what = "no plan", .why = "why", .remedy = "possible remedy: 7 Hz"}, {},
                             {.deadlines = {}, .rate_hz = 7.0, .groups = {}});
  try {
    require_deadlines(result);
    ADD_FAILURE();
  } catch (const PlanError& error) {
    EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr("policy had a p99 of"),
                                               ::testing::EndsWith("; possible remedy: 7 Hz")));
    EXPECT_EQ(error.remedies().rate_hz, 7.0);
  }
  result.candidates[0].measured.value().meets_deadlines = true;
  EXPECT_NO_THROW(require_deadlines(result));
}

TEST_F(PlanRequestTest, AnEngineWithoutRequestsIsJudgedByItsProfile) {
  const auto request = plan_request(config_, profile_);
  std::vector<EngineResult> engines(2);
  engines[0].name = "policy";
  engines[0].units = 20;  // 9000 / 16 µs in the profile
  engines[1].requests = 1;
  engines[1].latency.record(microseconds(10));
  const auto run = judged(request, engines);
  EXPECT_TRUE(run.meets_deadlines);
  EXPECT_NEAR(run.slack, (2000 - 562) / 2000.0, 0.01);
  config_.engines[0].deadline = microseconds(500);
  PlanResult result{.request = plan_request(config_, profile_), .candidates = {measured(false, 1, -1)}, .chosen = 0};
  result.candidates[0].measured.value() = judged(result.request, engines);
  EXPECT_FALSE(result.candidates[0].measured->meets_deadlines);
  EXPECT_THAT([&] { require_deadlines(result); }, refuses<PlanError>("no request was due", "0.562"));
  engines[0].requests = engines[0].unserved = 3;
  result.candidates[0].measured.value() = judged(result.request, engines);
  EXPECT_FALSE(result.candidates[0].measured->meets_deadlines);
  EXPECT_THAT([&] { require_deadlines(result); }, refuses<PlanError>("policy served none of its 3 requests"));
}

TEST_F(PlanRequestTest, ComposedNamesAreUnique) {
  config_.engines[1].name = profile_.engines[1].name = "b";
  for (const std::string name : {"policy+b", "a"}) {
    config_.engines.push_back(config_.engines[1]);
    config_.engines.back().name = name;
    profile_.engines.push_back(profile_.engines[1]);
    profile_.engines.back().name = name;
  }
  PlannedPartition shared;
  shared.units = {8};
  shared.sharing = Sharing::queue;
  shared.engines = {0, 1};
  PlannedPartition others;
  others.is_rest = true;
  others.sharing = Sharing::queue;
  others.engines = {2, 3};
  const auto planned = with_plan(config_, predict(plan_request(config_, profile_), std::vector{shared, others}));
  ASSERT_EQ(planned.lanes.size(), 2U);
  EXPECT_EQ(planned.engines[0].lane, planned.engines[1].lane);
  EXPECT_NE(planned.engines[0].lane, "policy+b");
  EXPECT_EQ(planned.engines[2].lane, planned.engines[3].lane);
}

class VerifyTest : public ::testing::Test {
 protected:
  [[nodiscard]] PlanResult verify(LoadedPipeline& pipeline) {
    const auto known = make_profile(pipeline, {.most = milliseconds(20), .stop = nullptr, .progress = {}});
    return verify_plans(pipeline, plan_request(pipeline.config(), known),
                        {.each = milliseconds(200),
                         .budget = seconds(20),
                         .at_once = 2,
                         .stop = nullptr,
                         .progress = [&](const std::string& what) { tried_.push_back(what); }});
  }
  std::vector<std::string> tried_;
  Folder folder_;
};

TEST_F(VerifyTest, TheBestOfPlansAndModesIsChosen) {
  auto pipeline = cpu_pipeline(
      folder_, engine_table("a", "affine", "rate_hz = 20\ndeadline_ms = 2000\n") + engine_table("b", "pair"));
  const auto lanes = pipeline.config().lanes;
  const auto result = verify(pipeline);
  EXPECT_GT(tried_.size(), result.candidates.size()) << "the chosen candidate was not tried again";
  // On a busy machine a second run may contradict the first one, and then another candidate is chosen and tried again.
  EXPECT_LE(tried_.size(), 3 * result.candidates.size());
  EXPECT_GE(result.candidates.size(), 4U) << "a plan and the three modes were not all tried";
  for (const auto& candidate : result.candidates) {
    ASSERT_TRUE(candidate.measured);
    if (candidate.plan) {
      EXPECT_EQ(candidate.mode, Mode::lanes);
    }
    EXPECT_EQ(candidate.measured->engines.size(), 2U);
  }
  const auto& chosen = result.candidates.at(result.chosen);
  EXPECT_TRUE(chosen.measured->meets_deadlines);
  ASSERT_TRUE(chosen.predicted) << "the chosen candidate has no prediction";
  ASSERT_EQ(chosen.predicted->engines.size(), 2U);
  EXPECT_GT(chosen.predicted->engines[0].p99.count(), 0);
  EXPECT_GT(chosen.predicted->engines[1].rate_hz, 0);
  EXPECT_EQ(chosen.predicted->engines[0].utilisation.has_value(), chosen.plan.has_value());
  for (const auto& candidate : result.candidates) EXPECT_TRUE(candidate.predicted || !candidate.plan);
  const auto json = nlohmann::json::parse(plan_json(result, pipeline.device().info()));
  // On a busy machine the prediction may be "never", which JSON has as null.
  EXPECT_EQ(json.at("engines").at(0).at("predicted").at("p99_us").is_number(),
            std::isfinite(chosen.predicted->engines[0].p99.count()));
  EXPECT_TRUE(json.at("predicted").at("throughput").is_number());
  ASSERT_EQ(pipeline.config().lanes.size(), lanes.size()) << "verify() changed the pipeline's lanes";
  for (std::size_t i = 0; i < lanes.size(); ++i) EXPECT_EQ(pipeline.config().lanes[i].name, lanes[i].name);
}

TEST_F(VerifyTest, ARarelyRunEngineCanBePlanned) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine", "rate_hz = 0.001\n") +
                                            engine_table("b", "pair", "rate_hz = 20\ndeadline_ms = 2000\n"));
  const auto result = verify(pipeline);
  EXPECT_TRUE(result.candidates.at(result.chosen).measured.value().meets_deadlines);
  EXPECT_NO_THROW(require_deadlines(result));
}

TEST_F(VerifyTest, APlacedPipelineHasThePlannedSlices) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine"));
  auto config = pipeline.config();
  config.engines[0].slice = microseconds(30);
  pipeline.place(config);
  EXPECT_EQ(pipeline.config().engines[0].slice, microseconds(30));
}

TEST_F(VerifyTest, DeadlinesThatNothingMeetsAreRefused) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine", "rate_hz = 20\ndeadline_ms = 0.0001\n"));
  const auto result = verify(pipeline);
  EXPECT_THAT([&] { require_deadlines(result); },
              refuses<PlanError>("no tried plan or mode meets all deadlines", "a had a p99 of"));
  ASSERT_TRUE(result.no_plan.has_value());
  EXPECT_THAT(result.no_plan->what(), ::testing::HasSubstr("'a'"));
  EXPECT_GE(result.candidates.size(), 4U) << "even lanes and the three modes were not all tried";
  for (const auto& candidate : result.candidates) EXPECT_TRUE(candidate.measured.has_value());
}

// The profile says that nothing fits, and a run shows that it does.
TEST_F(VerifyTest, EvenLanesAreTriedIfNoPlanFits) {
  auto pipeline = cpu_pipeline(folder_, engine_table("a", "affine", "rate_hz = 5\ndeadline_ms = 2000\n") +
                                            engine_table("b", "pair", "rate_hz = 5\ndeadline_ms = 2000\n"));
  const auto device = pipeline.device().info();
  PlanRequest request{.device = {.whole = device.groups, .each = device.granularity, .remainder = {}}, .engines = {}};
  for (const std::string name : {"a", "b"}) {
    // This is so much longer than the real time that nothing fits.
    request.engines.push_back({.name = name,
                               .curve = {{.units = {1}, .p50 = seconds(3), .p99 = seconds(3), .mean = seconds(3)}},
                               .period = milliseconds(200),
                               .deadline = seconds(2)});
  }
  const auto result =
      verify_plans(pipeline, std::move(request),
                   {.each = milliseconds(400), .budget = seconds(10), .at_once = 2, .stop = nullptr, .progress = {}});
  ASSERT_TRUE(result.no_plan.has_value());
  const auto divided = std::ranges::find_if(result.candidates, [](const PlanCandidate& candidate) {
    return candidate.mode == Mode::lanes && !candidate.plan;
  });
  ASSERT_NE(divided, result.candidates.end());
  EXPECT_TRUE(divided->measured.value().meets_deadlines);
  EXPECT_NO_THROW(require_deadlines(result));
  // The plan can be read back from its file.
  const auto file =
      folder_.write("plan.json", plan_json({.request = result.request, .candidates = {*divided}, .chosen = 0}, device));
  auto config = pipeline.config();
  EXPECT_EQ(apply_plan(config, file), Mode::lanes);
  ASSERT_EQ(config.lanes.size(), divided->config.lanes.size());
  for (std::size_t i = 0; i < config.lanes.size(); ++i) {
    EXPECT_EQ(config.lanes[i].name, divided->config.lanes[i].name);
    EXPECT_EQ(config.lanes[i].beside, divided->config.lanes[i].beside);
    EXPECT_EQ(config.lanes[i].units.has_value(), divided->config.lanes[i].units.has_value());
  }
}

}  // namespace
}  // namespace greenlane::runtime

#include "support/planner_test.hpp"

namespace greenlane {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(PlannerErrors, AnErrorNamesEngineShortfallAndRemedy) {
  auto late = vision();
  late.deadline = std::chrono::microseconds(900);  // its p99 alone on the whole device is 1035 µs
  try {
    (void)make_plan(request({late}));
    FAIL() << "make_plan() found a plan for an impossible request";
  } catch (const PlanError& error) {
    ASSERT_THAT(error.shortfalls(), SizeIs(1));
    EXPECT_EQ(error.shortfalls()[0].name, "vision");
    EXPECT_NEAR(error.shortfalls()[0].p99.count(), 1035.3, 0.1);
    EXPECT_NEAR(error.shortfalls()[0].allowed.count(), 818.2, 0.1);
    ASSERT_THAT(error.remedies().deadlines, SizeIs(1));
    EXPECT_NEAR(error.remedies().deadlines[0].count(), 1140, 1e-9);
    EXPECT_FALSE(error.remedies().rate_hz);  // its own service time is too long
    EXPECT_STREQ(error.what(),
                 "no plan meets all deadlines: engine 'vision' exceeds its deadline of 0.9 ms by 26.5 % (with the "
                 "margin of 10 %) where it comes closest, with a p99 of 1.035 ms (alone on the whole device: 1.035 "
                 "ms); possible remedy: a deadline of 1.14 ms for 'vision'");
  }
}

TEST(PlannerErrors, AnErrorTellsHighRatesFromShortDeadlines) {
  auto fast = vision();
  fast.period = std::chrono::microseconds(900);
  try {
    (void)make_plan(request({fast}));
    FAIL() << "make_plan() found a plan for an impossible request";
  } catch (const PlanError& error) {
    EXPECT_TRUE(std::isinf(error.shortfalls()[0].p99.count()));
    EXPECT_TRUE(error.remedies().deadlines.empty());
    // The 1035 µs at p99 count if requests follow each other.
    ASSERT_TRUE(error.remedies().rate_hz);
    EXPECT_NEAR(*error.remedies().rate_hz, 966, 15);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot keep up with its 1111 Hz"), HasSubstr("Hz for 'vision'")));
  }
}

TEST(PlannerErrors, AnErrorCountsTheMissingUnits) {
  // Each engine needs three groups alone and cannot wait for another one.
  std::vector<EngineDemand> engines;
  for (const char* name : {"a", "b", "c"}) {
    engines.push_back({.name = name,
                       .curve = {point(8, 3000), point(16, 1500), point(24, 900), point(kAllUnits, 900)},
                       .period = milliseconds(2),
                       .deadline = std::chrono::microseconds(1100)});
  }
  try {
    (void)make_plan(request(engines));
    FAIL() << "make_plan() found a plan for an impossible request";
  } catch (const PlanError& error) {
    EXPECT_EQ(error.remedies().groups, 1);
    EXPECT_THAT(error.what(), HasSubstr("8 units more"));
  }
}

TEST(PlannerErrors, InvalidRequestsAreRefused) {
  const auto refusal = [](PlanRequest wanted) -> std::string {
    try {
      (void)make_plan(wanted);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal(request({})), HasSubstr("there is no engine"));
  EXPECT_THAT(refusal(request({head(), head()})), HasSubstr("two engines are named 'head'"));
  auto empty = head();
  empty.curve.clear();
  EXPECT_THAT(refusal(request({empty})), HasSubstr("profile it first"));
  auto twice = head();
  twice.curve.push_back(twice.curve.front());
  EXPECT_THAT(refusal(request({twice})), HasSubstr("two points of 4 units"));
  auto negative = head();
  negative.curve[1].mean = Microseconds(-1);
  EXPECT_THAT(refusal(request({negative})), HasSubstr("impossible latency at 8 units"));
  auto infinite = policy();
  infinite.deadline = Microseconds(INFINITY);
  EXPECT_THAT(refusal(request({infinite})), HasSubstr("deadline"));
  auto no_device = request({head()});
  no_device.device = {};
  EXPECT_THAT(refusal(no_device), HasSubstr("no units"));
  auto endless = request({head()});
  endless.device = {.whole = 1'000'000, .each = Units{1}, .remainder = Units{0}};
  EXPECT_THAT(refusal(endless), HasSubstr("1000000 groups"));
  auto factors = request({head()});
  factors.contention = {{1, 1}};
  EXPECT_THAT(refusal(factors), HasSubstr("contention"));
  const auto corrected = [&](std::vector<SharingCorrection> corrections) {
    auto wanted = request({policy(), head()});
    wanted.corrections = std::move(corrections);
    return refusal(wanted);
  };
  const SharingCorrection fine{.engines = {0, 1}, .sharing = Sharing::queue, .factors = {{}, {}}};
  EXPECT_EQ(corrected({fine}), "none");
  EXPECT_THAT(corrected({fine, fine}), HasSubstr("two corrections"));
  for (const auto& engines : std::vector<std::vector<std::size_t>>{{1, 0}, {0, 0}, {0, 2}, {}})
    EXPECT_THAT(corrected({{.engines = engines, .sharing = Sharing::queue, .factors = {{}, {}}}}),
                HasSubstr("an invalid sharing"));
  EXPECT_THAT(corrected({{.engines = {0}, .sharing = Sharing::gated, .factors = {{}}}}),
              HasSubstr("an invalid sharing"));
  EXPECT_THAT(corrected({{.engines = {0, 1}, .sharing = Sharing::alone, .factors = {{}, {}}}}),
              HasSubstr("an invalid sharing"));
  EXPECT_THAT(corrected({{.engines = {0, 1}, .sharing = Sharing::queue, .factors = {{}}}}),
              HasSubstr("three for each"));
  EXPECT_THAT(corrected({{.engines = {0, 1}, .sharing = Sharing::queue, .factors = {{}, {.p99 = 0}}}}),
              HasSubstr("not positive"));
}

}  // namespace
}  // namespace greenlane

#include <greenlane/detail/runtime/long_kernel.hpp>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const LongKernel kMatmul{.name = "void matmul<float>(float*)", .time = microseconds(1090), .kernels = 1};

class LongKernelAdviceTest : public ::testing::Test {
 protected:
  LongKernelAdviceTest() {
    result_.engines.resize(2);
    result_.engines[0].name = result_.engines[0].lane = "policy";
    auto& hog = result_.engines[1];
    hog.name = "hog";
    hog.lane = "rest";
    hog.delays_urgent = true;
    hog.graphs.emplace().long_kernel = kMatmul;
  }
  // Returns the only line.
  [[nodiscard]] std::string advice() const {
    const auto lines = long_kernel_advice(result_);
    EXPECT_EQ(lines.size(), 1U);
    return lines.empty() ? "" : lines.front();
  }
  LongKernel& kernel() { return *result_.engines[1].graphs->long_kernel; }
  ModeResult result_;
};

TEST_F(LongKernelAdviceTest, TheLineNamesEngineKernelTimeAndRemedy) {
  EXPECT_EQ(advice(),
            "engine 'hog': kernel 'matmul<float>' takes 1090 µs and cannot be cut: urgent engines wait for it; give "
            "'hog' units of its own ([lane.rest] units = …), or let greenlane plan divide the device");
}

TEST_F(LongKernelAdviceTest, SeveralKernelsAreCounted) {
  kernel().kernels = 2;
  EXPECT_THAT(advice(), HasSubstr("kernel 'matmul<float>' and 1 other take 1090 µs"));
  kernel().kernels = 3;
  EXPECT_THAT(advice(), HasSubstr("kernel 'matmul<float>' and 2 others take 1090 µs"));
  kernel().name.clear();
  EXPECT_THAT(advice(), HasSubstr("'hog': 3 kernels take 1090 µs"));
  kernel().kernels = 1;
  EXPECT_THAT(advice(), HasSubstr("'hog': a kernel takes 1090 µs"));
}

TEST_F(LongKernelAdviceTest, ThereIsNoneWhereNoUrgentEngineWaits) {
  result_.engines[1].delays_urgent = false;
  EXPECT_THAT(long_kernel_advice(result_), IsEmpty());
  result_.engines[1].delays_urgent = true;
  result_.engines[1].graphs->long_kernel.reset();
  EXPECT_THAT(long_kernel_advice(result_), IsEmpty());
  result_.engines[1].graphs.reset();
  EXPECT_THAT(long_kernel_advice(result_), IsEmpty());
}

TEST(LongKernelJson, AnUnknownNameIsLeftOut) {
  using nlohmann::json;
  EXPECT_EQ(json::parse(long_kernel_json(kMatmul)),
            (json{{"name", "void matmul<float>(float*)"}, {"time_us", 1090.0}, {"kernels", 1}}));
  EXPECT_EQ(json::parse(long_kernel_json(LongKernel{.name = {}, .time = microseconds(2), .kernels = 4})),
            (json{{"time_us", 2.0}, {"kernels", 4}}));
  EXPECT_TRUE(json::parse(long_kernel_json(std::nullopt)).is_null());
}

class PlanReasonsTest : public ::testing::Test {
 protected:
  PlanReasonsTest() {
    profile_.device.id = {DeviceKind::cuda, 0};
    auto& config = plan_.candidates.emplace_back().config;
    for (const std::string name : {"policy", "hog"}) {
      profile_.engines.push_back({.name = name, .curve = {}, .gated = {}});
      EngineConfig engine;
      engine.name = engine.lane = name;
      config.engines.push_back(engine);
      config.lanes.push_back({.name = name, .units = {}});
    }
    config.engines[0].deadline = milliseconds(1);
    profile_.engines[1].long_kernel = {.units = {132}, .kernel = kMatmul};
  }
  [[nodiscard]] std::vector<std::string> reasons() const { return with_reasons(plan_, profile_).reasons; }
  PipelineConfig& config() { return plan_.candidates[0].config; }

  Profile profile_;
  PlanResult plan_;
};

TEST_F(PlanReasonsTest, UnitsApartHaveTheKernelAsTheirReason) {
  EXPECT_THAT(reasons(),
              ElementsAre("engine 'hog' has units apart from 'policy': kernel 'matmul<float>' takes 1090 µs on 132 "
                          "SMs and cannot be cut"));
}

TEST_F(PlanReasonsTest, SharedUnitsAreToldToo) {
  const auto shared = ElementsAre(HasSubstr("engine 'hog' shares units with 'policy', which waits for it: "));
  config().lanes[1].beside = "policy";
  EXPECT_THAT(reasons(), shared);
  config().lanes[1].beside.clear();
  plan_.candidates[0].mode = Mode::gates;
  EXPECT_THAT(reasons(), shared);
}

TEST_F(PlanReasonsTest, UrgentEnginesApartAndBesideAreNamed) {
  for (const std::string name : {"vision", "grip"}) {
    EngineConfig engine;
    engine.name = name;
    engine.lane = "hog";
    engine.deadline = milliseconds(8);
    config().engines.push_back(engine);
  }
  EXPECT_THAT(reasons(), ElementsAre(HasSubstr("engine 'hog' has units apart from 'policy' and shares units with "
                                               "'vision', 'grip', which wait for it: kernel")));
}

TEST_F(PlanReasonsTest, WithoutUrgentEnginesOrLongKernelsThereAreNone) {
  config().engines[0].deadline.reset();
  EXPECT_THAT(reasons(), IsEmpty());
  config().engines[0].deadline = milliseconds(1);
  profile_.engines[1].long_kernel.reset();
  EXPECT_THAT(reasons(), IsEmpty());
}

}  // namespace
}  // namespace greenlane::runtime

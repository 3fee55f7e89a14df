#include "support/runtime_folder.hpp"

#include <greenlane/detail/runtime/plan_devices.hpp>
#include <greenlane/detail/runtime/plan_file.hpp>
#include <greenlane/detail/runtime/plan_json.hpp>

#include <gmock/gmock.h>

#include <string>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kFiles = "model = 'a.pt2'\ninputs = 'a.inputs.pt'\n";

class PlanDevicesTest : public ::testing::Test {
 protected:
  PlanDevicesTest() {
    for (const auto* file : {"a.pt2", "a.inputs.pt"}) (void)folder_.write(file, "x");
  }
  [[nodiscard]] PipelineConfig load(const std::string& text) const {
    return load_config(folder_.write("pipeline.toml", text));
  }
  // Returns a result with one candidate: each engine alone on so many units.
  static PlanResult result_of(const DevicePlanPart& part, int units, double throughput) {
    PlanResult result;
    PlanCandidate candidate{.config = part.config};
    MeasuredRun run;
    for (auto& lane : candidate.config.lanes) lane.units = UnitRequest(units);
    for (const auto& engine : part.config.engines) {
      result.request.engines.push_back({.name = engine.name, .curve = {}, .deadline = engine.deadline, .slices = {}});
      EngineResult measured;
      measured.name = engine.name;
      measured.units = units;
      run.engines.push_back(std::move(measured));
    }
    run.meets_deadlines = true;
    run.throughput = throughput;
    run.slack = throughput / 10;
    candidate.measured = std::move(run);
    result.candidates.push_back(std::move(candidate));
    return result;
  }

  Folder folder_;
};

TEST_F(PlanDevicesTest, AFileWithoutDevicesHasNoParts) {
  EXPECT_THAT(device_plan_parts(load("[engine.a]\n" + kFiles + "[lane.a]\nunits = 3\n")), IsEmpty());
}

TEST_F(PlanDevicesTest, EachDeviceHasItsEnginesOnLanesOfTheirOwn) {
  const auto config = load("device = 'cuda:0'\n[source.camera]\nrate_hz = 20\n[engine.a]\n" + kFiles +
                           "from = 'camera'\non = 'camera'\ndeadline_ms = 30\n[engine.b]\n" + kFiles +
                           "from = 'a'\non = 'a'\nlane = 'far'\n[engine.c]\n" + kFiles +
                           "lane = 'far'\n[lane.a]\nunits = 8\n[lane.far]\ndevice = 'cuda:1'\n");
  const auto parts = device_plan_parts(config);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].device, "");
  EXPECT_EQ(parts[0].config.device, "cuda:0");
  EXPECT_THAT(parts[0].engines, ElementsAre(0U));
  EXPECT_EQ(parts[1].device, "cuda:1");
  EXPECT_EQ(parts[1].config.device, "cuda:1");
  EXPECT_THAT(parts[1].engines, ElementsAre(1U, 2U));

  const auto& a = parts[0].config.engines.at(0);
  EXPECT_TRUE(a.edges.empty());
  EXPECT_TRUE(a.has_timer);
  EXPECT_EQ(a.period, milliseconds(50));
  EXPECT_EQ(a.deadline, milliseconds(30));
  ASSERT_EQ(parts[1].config.lanes.size(), 2U);
  for (const auto& lane : parts[1].config.lanes) {
    EXPECT_FALSE(lane.units);
    EXPECT_TRUE(lane.device.empty());
  }
}

TEST_F(PlanDevicesTest, ALaneThatNamesThePipelinesOwnDeviceIsNoOtherDevice) {
  const auto parts = device_plan_parts(
      load("device = 'cuda:0'\n[engine.a]\n" + kFiles + "[engine.b]\n" + kFiles + "[lane.a]\ndevice = 'cuda:0'\n"));
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_THAT(parts[0].engines, ElementsAre(0U, 1U));
}

TEST_F(PlanDevicesTest, AnEngineThatRunsNobodyKnowsHowOftenIsRefused) {
  const auto config = load("device = 'cuda:0'\n[source.camera]\n[engine.a]\n" + kFiles +
                           "from = 'camera'\non = 'camera'\n[lane.a]\ndevice = 'cuda:1'\n");
  try {
    (void)device_plan_parts(config);
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("rate_hz"));
  }
}

TEST_F(PlanDevicesTest, ADeviceThatCannotBeDividedIsRefused) {
  DeviceInfo device;
  EXPECT_NO_THROW(require_divisible({}, device));
  device.partition_obstacle = "the driver is too old";
  EXPECT_THROW(require_divisible({}, device), ConfigError);
}

TEST_F(PlanDevicesTest, TheMergedPlanIsReadBackWithTheDevicesOfItsLanes) {
  const auto text = "device = 'cuda:0'\n[engine.far]\n" + kFiles + "[engine.near]\n" + kFiles +
                    "rate_hz = 50\n[lane.far]\ndevice = 'cuda:1'\n";
  const auto config = load(text);
  const auto parts = device_plan_parts(config);
  ASSERT_EQ(parts.size(), 2U);
  auto results = std::vector{result_of(parts[0], 16, 1), result_of(parts[1], 24, 0.5)};
  results[1].candidates[0].config.engines[0].takes_turns = true;
  const auto merged = merged_plan(config, parts, results);
  const auto& chosen = merged.candidates.at(0);
  EXPECT_EQ(chosen.measured.value().throughput, 1.5);
  EXPECT_EQ(chosen.measured.value().slack, 0.05);
  EXPECT_EQ(chosen.measured.value().engines.at(0).name, "far");
  EXPECT_EQ(chosen.measured.value().engines.at(1).units, 24);
  EXPECT_EQ(merged.request.engines.at(1).deadline, milliseconds(20));

  DeviceInfo device;
  device.name = "NVIDIA H200";
  device.units = {132};
  auto planned = config;
  EXPECT_EQ(apply_plan(planned, folder_.write("plan.json", plan_json(merged, device))), Mode::lanes);
  ASSERT_EQ(planned.lanes.size(), 2U);
  EXPECT_EQ(planned.lanes[0].name, "far");
  EXPECT_EQ(planned.lanes[0].device, "cuda:1");
  EXPECT_EQ(planned.lanes[0].units.value().units().count, 16);
  EXPECT_EQ(planned.lanes[1].device, "");
  EXPECT_FALSE(planned.engines[0].takes_turns);
  EXPECT_TRUE(planned.engines[1].takes_turns);
}

}  // namespace
}  // namespace greenlane::runtime

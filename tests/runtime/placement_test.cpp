// The placement of a pipeline's lanes: on this machine's CPU, and on a fake GPU.
#include "runtime/placement.hpp"

#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"
#include "support/this_thread.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/hardware_queues.hpp>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

class PlacementTest : public ::testing::Test {
 protected:
  void add(const std::string& name, std::optional<Nanoseconds> deadline, std::optional<UnitRequest> units = {}) {
    EngineConfig engine;
    engine.name = engine.lane = name;
    engine.period = engine.deadline = deadline;
    config_.engines.push_back(engine);
    config_.lanes.push_back({.name = name, .units = units});
  }
  static int niceness_of(const Lane& lane) {
    int niceness = 0;
    lane.run([&] { niceness = this_thread::niceness(); });
    return niceness;
  }

  // Nice values are counted up from this thread's own, and end at 19.
  static bool has_nicer_values() { return this_thread::niceness() <= 10; }

  Device cpu_ = Device::open("cpu");
  int cores_ = cpu_.info().units.count;
  PipelineConfig config_;
};

TEST_F(PlacementTest, LanesHaveDisjointPartitions) {
  if (cores_ < 2) GTEST_SKIP() << "this machine has one core, which cannot be divided";
  add("policy", milliseconds(5), UnitRequest(1));
  add("vision", {});
  const auto lanes = place(config_, cpu_, Mode::lanes);
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes.at("policy").units().count, 1);
  EXPECT_EQ(lanes.at("vision").units().count, cores_ - 1);
  for (const int cpu : lanes.at("policy").partition()->cpus()) {
    EXPECT_THAT(lanes.at("vision").partition()->cpus(), ::testing::Not(::testing::Contains(cpu)));
  }
}

TEST_F(PlacementTest, ShorterDeadlinesAreMoreUrgentOnASharedPartition) {
  if (!has_nicer_values()) GTEST_SKIP() << "the nice value of this process cannot be raised further";
  for (int i = 0; i <= cores_; ++i) add("lane" + std::to_string(i), milliseconds(100 - i));
  const auto lanes = place(config_, cpu_, Mode::lanes);
  const auto& first = lanes.at("lane0");
  const auto& last = lanes.at("lane" + std::to_string(cores_));
  EXPECT_EQ(first.partition(), last.partition());
  EXPECT_NE(first, last);
  EXPECT_GT(niceness_of(first), niceness_of(last));
}

TEST_F(PlacementTest, SharedLanesAreEquallyUrgent) {
  add("policy", milliseconds(5), UnitRequest(1));
  add("vision", {});
  for (const auto& [name, lane] : place(config_, cpu_, Mode::shared)) {
    EXPECT_FALSE(lane.partition());
    EXPECT_EQ(lane.units(), cpu_.info().units);
    EXPECT_EQ(niceness_of(lane), this_thread::niceness());
  }
}

TEST_F(PlacementTest, NiceValuesStartAtTheProcesssOwn) {
  if (!has_nicer_values()) GTEST_SKIP() << "the nice value of this process cannot be raised further";
  for (int i = 0; i < 6; ++i) add("lane" + std::to_string(i), milliseconds(5 + i));
  std::vector<int> values;
  int own = 0;
  std::jthread([&] {
    own = std::min(this_thread::niceness() + 7, 12);
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), own);
    for (const auto& [name, lane] : place(config_, cpu_, Mode::priority)) values.push_back(niceness_of(lane));
  }).join();
  ASSERT_EQ(values.size(), 6U);
  EXPECT_EQ(values.front(), own) << "the first nice value is not the thread's own";
  EXPECT_TRUE(std::ranges::is_sorted(values));
  EXPECT_EQ(std::ranges::unique(values).size(), 0U) << "two lanes have the same nice value";
  EXPECT_LE(values.back(), 19);
}

TEST_F(PlacementTest, PriorityFollowsTheDeadline) {
  if (!has_nicer_values()) GTEST_SKIP() << "the nice value of this process cannot be raised further";
  add("best effort", {});
  add("later", milliseconds(50));
  add("sooner", milliseconds(5));
  const auto lanes = place(config_, cpu_, Mode::priority);
  for (const auto& [name, lane] : lanes) EXPECT_FALSE(lane.partition());
  EXPECT_EQ(niceness_of(lanes.at("sooner")), this_thread::niceness());
  EXPECT_GT(niceness_of(lanes.at("later")), niceness_of(lanes.at("sooner")));
  EXPECT_GT(niceness_of(lanes.at("best effort")), niceness_of(lanes.at("later")));
}

TEST_F(PlacementTest, TooManyUnitsAreAConfigError) {
  config_.file = "robot.toml";
  add("policy", milliseconds(5), UnitRequest(10'000));
  EXPECT_THAT([&] { (void)place(config_, cpu_, Mode::lanes); },
              refuses<ConfigError>("robot.toml", "10000 cores", "'policy'", "are free", "[lane.*]"));
  EXPECT_EQ(cpu_.partition("all", rest).units(), cpu_.info().units);  // the failure kept nothing
}

TEST_F(PlacementTest, TheCheckRefusesLanesInTheWordsOfThePlacement) {
  config_.file = "robot.toml";
  add("policy", milliseconds(5), UnitRequest(10'000));
  const auto refusal_of = [&](const auto& work) -> std::string {
    try {
      work();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "it was not refused";
  };
  EXPECT_EQ(refusal_of([&] { require_lanes_fit(config_, cpu_); }),
            refusal_of([&] { (void)place(config_, cpu_, Mode::lanes); }));
  EXPECT_THAT([&] { require_lanes_fit(config_, cpu_); },
              refuses<ConfigError>("robot.toml", "10000 cores", "'policy'", "are free", "[lane.*]"));
}

TEST_F(PlacementTest, LanesOfAPlanThatDoNotFitAreThePlansFault) {
  add("policy", milliseconds(5), UnitRequest(10000));
  config_.planned_for = PlannedDevice{.plan = "plan.json"};
  EXPECT_THAT([&] { require_lanes_fit(config_, cpu_); },
              refuses<ConfigError>("plan.json: the plan's lanes do not fit", "10000 cores", "make the plan again"));
}

TEST_F(PlacementTest, TheCheckIgnoresUnitsThatAnotherHolds) {
  add("policy", milliseconds(5), UnitRequest(1));
  const auto other = cpu_.partition("other", rest);
  EXPECT_NO_THROW(require_lanes_fit(config_, cpu_));
  EXPECT_THAT([&] { (void)place(config_, cpu_, Mode::lanes); },
              refuses<ConfigError>("the lanes do not fit", "'other' holds", "[lane.*]"));
}

TEST_F(PlacementTest, UnitsReturnWithTheLanes) {
  add("policy", milliseconds(5));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(place(config_, cpu_, Mode::lanes).at("policy").units(), cpu_.info().units);
}

class PlacementOnAGpuTest : public fake::FakeDriverTest {
 protected:
  void add(const std::string& name, std::optional<UnitRequest> units = {}) {
    EngineConfig engine;
    engine.name = engine.lane = name;
    config_.engines.push_back(engine);
    config_.lanes.push_back({.name = name, .units = units});
  }
  PipelineConfig config_;
};

TEST_F(PlacementOnAGpuTest, OneStreamPerLaneIsInUse) {
  // One stream more would be too many, so the streams that only come with the partitions must be gone before the lanes
  // are made.
  const int lanes = hardware_queues({DeviceKind::cuda, 0}).in_force - 1;
  for (int i = 0; i < lanes; ++i) add("lane" + std::to_string(i));
  for (const Mode mode : {Mode::lanes, Mode::gates}) {
    const auto placed = place(config_, gpu(), mode);
    EXPECT_EQ(hardware_queues({DeviceKind::cuda, 0}).streams, lanes + 1);
  }
  EXPECT_THAT(warnings_.texts(), ::testing::IsEmpty());
}

TEST_F(PlacementOnAGpuTest, ALaneOnTheOddGroupAloneIsRefused) {
  add("vision", UnitRequest(120));
  add("policy");
  const auto is_refused = refuses<ConfigError>("the lanes do not fit", "only the odd group of 12 SMs is left", "units");
  EXPECT_THAT([&] { (void)place(config_, gpu(), Mode::lanes); }, is_refused);
  EXPECT_THAT([&] { require_lanes_fit(config_, gpu()); }, is_refused);
}

TEST_F(PlacementOnAGpuTest, TheCheckMakesNothingOnTheDevice) {
  add("vision", UnitRequest(96));
  add("policy");
  const auto device = gpu();
  const int before = fake_.calls();
  require_lanes_fit(config_, device);
  EXPECT_EQ(fake_.calls(), before);
}

}  // namespace
}  // namespace greenlane::runtime

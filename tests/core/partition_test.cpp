#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/partition.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PartitionTest : public fake::FakeDriverTest {
 protected:
  // Returns the units that `rest` would get. It has to try, because the device does not tell.
  static int free_units(const Device& device) {
    try {
      return device.partition("probe", rest).units().count;
    } catch (const PartitionError&) {
      return 0;
    }
  }
  void expect_disjoint(const LaneSet& lanes) {
    std::set<int> seen;
    for (const auto& lane : lanes) {
      for (const int sm : fake_.sms_of(lane.stream())) {
        EXPECT_TRUE(seen.insert(sm).second) << "SM " << sm << " is in two partitions";
      }
    }
  }
};

TEST_F(PartitionTest, APartitionReportsItsRealSize) {
  const auto partition = gpu().partition("policy", 10);
  EXPECT_EQ(partition.name(), "policy");
  EXPECT_EQ(partition.units().count, 16);
  EXPECT_EQ(partition.device(), gpu());
  EXPECT_THAT(partition.groups(), ElementsAre(0, 1));
  EXPECT_TRUE(partition.cpus().empty());
}

TEST_F(PartitionTest, AStreamHasTheSmsOfItsPartition) {
  const auto partition = gpu().partition("policy", 24);
  EXPECT_EQ(fake_.sms_of(Lane::create(partition).stream()).size(), 24U);
}

TEST_F(PartitionTest, PartitionsAreDisjoint) {
  const auto lanes = gpu().partition({{"policy", 8}, {"vision", 48}, {"head", rest}});
  expect_disjoint(lanes);
  EXPECT_EQ(lanes["policy"].units().count, 8);
  EXPECT_EQ(lanes["vision"].units().count, 48);
  EXPECT_EQ(lanes["head"].units().count, 76);
}

TEST_F(PartitionTest, LanesAreFoundByOrderAndByName) {
  const auto lanes = gpu().partition({{"head", rest}, {"policy", 8}});
  ASSERT_EQ(lanes.size(), 2U);
  EXPECT_EQ(lanes.begin()->name(), "head");
  EXPECT_EQ(lanes["policy"].partition()->name(), "policy");
  EXPECT_THAT([&] { (void)lanes["polcy"]; }, refuses<PartitionError>("no lane 'polcy'", "there are: head, policy"));
}

TEST_F(PartitionTest, TheRestIncludesTheOddGroup) {
  EXPECT_EQ(gpu().partition("all", rest).units().count, 132);
  auto policy = gpu().partition("policy", 8);
  EXPECT_EQ(gpu().partition("others", rest).units().count, 124);
}

TEST_F(PartitionTest, TheOddGroupAloneIsNoPartition) {
  const auto vision = gpu().partition("vision", 120);
  EXPECT_THAT([&] { (void)gpu().partition("policy", rest); },
              refuses<PartitionError>("the rest of cuda:0 to 'policy'", "only the odd group of 12 SMs",
                                      "'vision' holds 120", "cuBLAS", "whole group of 8 SMs"));
  EXPECT_THAT([&] { (void)gpu().partition({{"policy", 8}}); }, ThrowsMessage<PartitionError>(HasSubstr("odd group")));
}

TEST_F(PartitionTest, UnitsReturnWhenTheLastHandleGoes) {
  std::optional<Partition> partition = gpu().partition("policy", 48);
  std::optional<Partition> copy = partition;
  partition.reset();
  EXPECT_EQ(free_units(gpu()), 84);
  copy.reset();
  EXPECT_EQ(free_units(gpu()), 132);
  EXPECT_EQ(fake_.live().green_contexts, 0);
}

TEST_F(PartitionTest, UnitsReturnWhenTheLastLaneGoes) {
  std::optional<Lane> lane = Lane::create(gpu().partition("policy", 48));
  EXPECT_EQ(free_units(gpu()), 84);
  lane->close();
  EXPECT_EQ(free_units(gpu()), 84) << "close() returned units that a lane still uses";
  lane.reset();
  EXPECT_EQ(free_units(gpu()), 132);
}

TEST_F(PartitionTest, UnitsReturnWhenTheLastBindingGoes) {
  StreamBinding binding(gpu(), "engine");
  binding.set(Lane::create(gpu().partition("policy", 48)));
  EXPECT_EQ(free_units(gpu()), 84);
  binding.clear();
  EXPECT_EQ(free_units(gpu()), 132);
}

TEST_F(PartitionTest, TheLanesPartitionHoldsTheUnits) {
  std::optional<Lane> lane = Lane::create(gpu().partition("policy", 48));
  const auto partition = lane->partition();
  lane.reset();
  EXPECT_EQ(free_units(gpu()), 84);
  EXPECT_EQ(Lane::create(*partition).units().count, 48);
}

TEST_F(PartitionTest, TheSameUnitsCanBeTakenAgain) {
  for (int i = 0; i < 100; ++i) {
    const auto lanes = gpu().partition({{"policy", 8}, {"vision", rest}});
    expect_disjoint(lanes);
  }
  EXPECT_EQ(free_units(gpu()), 132);
}

TEST_F(PartitionTest, ARefusalListsThePartitionsAndTheirUnits) {
  const auto policy = gpu().partition("policy", 8);
  EXPECT_THAT([&] { (void)gpu().partition("vision", 128); },
              refuses<PartitionError>("128 SMs of cuda:0 to 'vision'", "'policy' holds 8", "124 of 132 SMs are free"));
}

TEST_F(PartitionTest, ARefusalTakesNoUnits) {
  EXPECT_THROW((void)gpu().partition({{"a", 64}, {"b", 64}, {"c", 64}}), PartitionError);
  EXPECT_EQ(free_units(gpu()), 132);
  EXPECT_EQ(fake_.live().green_contexts, 0);
}

TEST_F(PartitionTest, AFailureReturnsAllUnits) {
  const auto requests = {PartitionRequest{"a", 8}, PartitionRequest{"b", 8}, PartitionRequest{"c", rest}};
  fake_.fail(0);
  (void)gpu().partition(requests);
  const int calls = fake_.calls();
  ASSERT_GT(calls, 6);
  int refusals = 0;
  for (int call = 1; call <= calls; ++call) {
    const auto device = gpu();  // already open, so only the partitions can fail
    fake_.fail(call);
    try {
      (void)device.partition(requests);
    } catch (const DriverError&) {
      ++refusals;
    }
    fake_.fail(0);
    EXPECT_EQ(free_units(device), 132) << "after call " << call << " failed";
    EXPECT_EQ(fake_.live().green_contexts, 0);
    EXPECT_EQ(fake_.live().streams, 0);
  }
  EXPECT_GE(refusals, 9) << "too few driver calls failed for three partitions";
}

TEST_F(PartitionTest, UnitsReturnOnlyWhenTheirWorkIsDone) {
  std::optional<Lane> lane = Lane::create(gpu().partition("policy", 8));
  fake_.mark(lane->stream());
  lane.reset();  // the fake records a violation if nobody has waited
  EXPECT_EQ(fake_.calls_of("cuStreamSynchronize"), 1);
}

TEST_F(PartitionTest, TwoPartitionsOfOneNameAreRefused) {
  EXPECT_THAT([&] { (void)gpu().partition({{"head", 8}, {"head", rest}}); },
              ThrowsMessage<PartitionError>(HasSubstr("two partitions are named 'head'")));
}

TEST_F(PartitionTest, AnEmptyListIsAnEmptySet) { EXPECT_EQ(gpu().partition({}).size(), 0U); }

TEST_F(PartitionTest, TwoGpusArePartitionedSeparately) {
  use({.gpus = {fake::Gpu{}, fake::gpu_of_78_sms()}});
  const auto first = Lane::create(gpu(0).partition("a", rest));
  const auto second = Lane::create(gpu(1).partition("b", rest));
  EXPECT_EQ(first.units().count, 132);
  EXPECT_EQ(second.units().count, 78);
  EXPECT_EQ(fake_.device_of(first.stream()), 0);
  EXPECT_EQ(fake_.device_of(second.stream()), 1);
}

TEST_F(PartitionTest, ALaneOutlivesTheRegistryOfDevices) {
  std::optional<Lane> lane = Lane::create(gpu().partition("policy", 8));
  detail::forget_devices();
  EXPECT_EQ(fake_.sms_of(lane->stream()).size(), 8U);
  lane.reset();
  EXPECT_EQ(fake_.live(), fake::Live{});
}

}  // namespace
}  // namespace greenlane

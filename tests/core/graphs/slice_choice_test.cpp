#include "core/graphs/slice_choice.hpp"

#include <greenlane/detail/core/slices_in_flight.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <random>
#include <string>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

std::optional<std::string> numbered(int node) { return "kernel " + std::to_string(node); }

class SliceChoiceTest : public ::testing::Test {
 protected:
  SliceChoiceTest() {
    for (int node = 0; node < 40; ++node) finest_.push_back({node});
  }
  [[nodiscard]] std::vector<SliceChoice> choices(const SliceOptions& options) const {
    return slice_choices(finest_, times_, options);
  }
  std::vector<Slice> finest_;
  std::vector<nanoseconds> times_ = std::vector<nanoseconds>(40, microseconds(10));
};

TEST_F(SliceChoiceTest, ChoicesAreSortedByWait) {
  const auto all = choices({});
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &SliceChoice::in_flight));
  EXPECT_EQ(all.front().longest, microseconds(20));
  EXPECT_EQ(all.front().look_ahead, 0);
  EXPECT_GT(all.back().longest, microseconds(100));
  EXPECT_LE(all.back().longest, microseconds(200));
}

TEST_F(SliceChoiceTest, TheLastSliceInFlightIsLaunchedLate) {
  for (const auto& choice : choices({})) {
    const auto late = choice.look_ahead > 0 ? kLaunchLead : nanoseconds(0);
    EXPECT_EQ(choice.in_flight, std::max(choice.look_ahead, 1) * choice.longest + late);
  }
}

TEST_F(SliceChoiceTest, AThreadThatSleepsLaunchesEarly) {
  for (const auto& choice : choices({.wait = GateWait::block}))
    EXPECT_EQ(choice.in_flight, (choice.look_ahead + 1) * choice.longest);
}

TEST_F(SliceChoiceTest, ASliceIsFoundForATimeInFlight) {
  for (const auto slice : {microseconds(4), microseconds(15), microseconds(16), microseconds(100)})
    EXPECT_EQ(slice_for(time_in_flight(slice, 1)), slice);
}

TEST_F(SliceChoiceTest, ALongKernelLengthensTheSlices) {
  times_[7] = microseconds(300);
  EXPECT_EQ(choices({}).front().longest, microseconds(300));
}

TEST_F(SliceChoiceTest, RequestedSettingsAreKept) {
  const auto fixed = choices({.longest = microseconds(60), .look_ahead = 3});
  ASSERT_EQ(fixed.size(), 1U);
  EXPECT_EQ(fixed[0].longest, microseconds(60));
  EXPECT_EQ(fixed[0].look_ahead, 3);
}

TEST_F(SliceChoiceTest, OneSliceIsAheadIfOnlyTheLengthIsRequested) {
  const auto long_ones = choices({.longest = microseconds(60)});
  ASSERT_EQ(long_ones.size(), 1U);
  EXPECT_EQ(long_ones[0].longest, microseconds(60));
  EXPECT_EQ(long_ones[0].look_ahead, 1);
  for (const auto& choice : choices({.look_ahead = 1})) EXPECT_EQ(choice.look_ahead, 1);
}

TEST_F(SliceChoiceTest, ANumberOfSlicesOccursOnce) {
  for (const auto& one : choices({.look_ahead = 1})) {
    for (const auto& other : choices({.look_ahead = 1}))
      EXPECT_EQ(one.slices.size() == other.slices.size(), one.longest == other.longest);
  }
}

TEST_F(SliceChoiceTest, EqualChoicesAreMerged) {
  times_.assign(40, microseconds(150));  // each kernel is a slice of its own, at every length
  EXPECT_EQ(choices({.look_ahead = 1}).size(), 1U);
}

double cost_of(const SliceChoice& choice, double cost) { return cost * static_cast<double>(choice.slices.size()); }

TEST_F(SliceChoiceTest, TheShortestAffordableWaitIsChosen) {
  const auto all = choices({});
  int asked = 0;
  const auto cost = [&](const SliceChoice& choice) {
    ++asked;
    return cost_of(choice, choice.look_ahead == 0 ? 0.02 : 0.002);
  };
  const auto& taken = choose_slices(all, 0.03, cost);
  EXPECT_EQ(taken.look_ahead, 1);
  EXPECT_LE(cost_of(taken, 0.002), 0.03);
  for (const auto& choice : all) {
    if (choice.in_flight < taken.in_flight) {
      EXPECT_GT(cost(choice), 0.03);
    }
  }
  EXPECT_LT(asked - static_cast<int>(all.size()), 10) << "too many choices were measured";
}

TEST_F(SliceChoiceTest, MeasurementNoiseDoesNotDecideTheChoice) {
  times_.assign(400, microseconds(10));
  finest_.clear();
  for (int node = 0; node < 400; ++node) finest_.push_back({node});
  const auto all = choices({.look_ahead = 1});
  constexpr unsigned kTimes = 200;
  double mean = 0;
  for (unsigned seed = 0; seed < kTimes; ++seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> noise(0, 0.01);
    const auto& taken =
        choose_slices(all, 0.03, [&](const SliceChoice& choice) { return cost_of(choice, 0.0003) + noise(random); });
    mean += cost_of(taken, 0.0003) / kTimes;
  }
  EXPECT_LE(mean, 0.031);
  EXPECT_GE(mean, 0.022);
}

TEST_F(SliceChoiceTest, TheFixedCostOfSlicesCounts) {
  times_.assign(400, microseconds(10));
  finest_.clear();
  for (int node = 0; node < 400; ++node) finest_.push_back({node});
  const auto cost = [](const SliceChoice& choice) { return 0.01 + cost_of(choice, 0.0003); };
  const auto all = choices({.look_ahead = 1});
  const auto& taken = choose_slices(all, 0.03, cost);
  EXPECT_LE(cost(taken), 0.031);
  EXPECT_GE(cost(taken), 0.025);
}

TEST_F(SliceChoiceTest, TheCheapestIsChosenIfAllAreTooExpensive) {
  const auto all = choices({});
  const auto& taken = choose_slices(
      all, 0.03, [](const SliceChoice& choice) { return cost_of(choice, choice.look_ahead == 1 ? 0.05 : 0.1); });
  EXPECT_EQ(taken.look_ahead, 1);
  for (const auto& choice : all) EXPECT_GE(choice.slices.size(), taken.slices.size());
}

TEST_F(SliceChoiceTest, AnUnmeasuredChoiceIsNotTaken) {
  const auto all = choices({});
  const auto& taken = choose_slices(all, 0.03, [](const SliceChoice& choice) {
    return choice.look_ahead == 1 ? cost_of(choice, 0.1) : std::numeric_limits<double>::infinity();
  });
  EXPECT_EQ(taken.look_ahead, 1);
}

TEST_F(SliceChoiceTest, ASingleChoiceIsNotMeasured) {
  const auto all = choices({.longest = microseconds(50), .look_ahead = 1});
  (void)choose_slices(all, 0.03, [](const SliceChoice&) -> double {
    ADD_FAILURE();
    return 0;
  });
}

class FindLongKernelTest : public SliceChoiceTest {
 protected:
  [[nodiscard]] std::optional<LongKernel> found(const SliceOptions& options = {}) const {
    return find_long_kernel(finest_, times_, options, numbered);
  }
};

TEST_F(FindLongKernelTest, TheLongestBeyondAllSlicesIsFound) {
  times_[7] = microseconds(300);
  times_[9] = microseconds(400);
  times_[12] = microseconds(301);
  EXPECT_EQ(found(), (LongKernel{.name = "kernel 9", .time = microseconds(400), .kernels = 1}));
}

TEST_F(FindLongKernelTest, AKernelThatFitsIntoASliceIsNotLong) {
  EXPECT_EQ(found(), std::nullopt);
  times_[7] = microseconds(200);
  EXPECT_EQ(found(), std::nullopt) << "auto tries slices of 200 us";
  times_[7] += nanoseconds(1);
  EXPECT_TRUE(found());
  EXPECT_EQ(found({.longest = microseconds(300)}), std::nullopt) << "longer slices were asked for";
  EXPECT_TRUE(found({.longest = microseconds(100)}));
}

TEST_F(FindLongKernelTest, KernelsThatNoCutPartsAreCounted) {
  finest_[3] = {5, 3, 4};
  times_[3] = microseconds(900);
  EXPECT_EQ(found(), (LongKernel{.name = "kernel 5", .time = microseconds(900), .kernels = 3}));
}

TEST_F(FindLongKernelTest, CopiesAreNotKernels) {
  finest_[3] = {2, 3};
  times_[2] = microseconds(800);
  times_[3] = microseconds(700);
  const auto copies = [](int node) { return node == 2 ? std::nullopt : numbered(node); };
  EXPECT_EQ(find_long_kernel(finest_, times_, {}, copies),
            (LongKernel{.name = "kernel 3", .time = microseconds(700), .kernels = 1}));
}

}  // namespace
}  // namespace greenlane::detail

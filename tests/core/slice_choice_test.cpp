#include "core/slice_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

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

TEST_F(SliceChoiceTest, TheShortestWaitComesFirst) {
  const auto all = choices({});
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &SliceChoice::in_flight));
  EXPECT_EQ(all.front().longest, microseconds(20));
  EXPECT_EQ(all.front().look_ahead, 0);
  EXPECT_GT(all.back().longest, microseconds(100));
  EXPECT_LE(all.back().longest, microseconds(200));
}

TEST_F(SliceChoiceTest, TheWaitIsTheSlicesInFlight) {
  for (const auto& choice : choices({})) EXPECT_EQ(choice.in_flight(), (choice.look_ahead + 1) * choice.longest);
}

TEST_F(SliceChoiceTest, OneKernelThatIsLongerCounts) {
  times_[7] = microseconds(300);
  EXPECT_EQ(choices({}).front().longest, microseconds(300));
}

TEST_F(SliceChoiceTest, WhatIsAskedForIsKept) {
  const auto fixed = choices({.longest = microseconds(60), .look_ahead = 3});
  ASSERT_EQ(fixed.size(), 1U);
  EXPECT_EQ(fixed[0].longest, microseconds(60));
  EXPECT_EQ(fixed[0].look_ahead, 3);
  for (const auto& choice : choices({.longest = microseconds(60)})) EXPECT_EQ(choice.longest, microseconds(60));
  for (const auto& choice : choices({.look_ahead = 1})) EXPECT_EQ(choice.look_ahead, 1);
}

TEST_F(SliceChoiceTest, OfAsManySlicesTheShorterAreTaken) {
  for (const auto& one : choices({.look_ahead = 1})) {
    for (const auto& other : choices({.look_ahead = 1}))
      EXPECT_EQ(one.slices.size() == other.slices.size(), one.longest == other.longest);
  }
}

TEST_F(SliceChoiceTest, NoTwoAreTheSame) {
  times_.assign(40, microseconds(150));  // one a slice, whatever the length, but for the last
  EXPECT_EQ(choices({.look_ahead = 1}).size(), 1U);
}

TEST_F(SliceChoiceTest, TheFirstThatIsCheapEnoughIsTaken) {
  const auto all = choices({});
  int asked = 0;
  const auto& taken = choose_slices(all, 0.03, [&](const SliceChoice& choice) {
    ++asked;
    return choice.look_ahead == 0 ? 0.2 : 0.02;
  });
  EXPECT_EQ(taken.look_ahead, 1);
  EXPECT_EQ(taken.longest, all.front().longest);
  EXPECT_EQ(&taken, &all[static_cast<std::size_t>(asked) - 1]) << "no more are measured than is needed";
}

TEST_F(SliceChoiceTest, WhereNoneIsCheapEnoughTheCheapestIs) {
  const auto all = choices({});
  const auto& taken =
      choose_slices(all, 0.03, [&](const SliceChoice& choice) { return &choice == &all[4] ? 0.05 : 0.1; });
  EXPECT_EQ(&taken, &all[4]);
}

TEST_F(SliceChoiceTest, ASingleOneIsNotMeasured) {
  const auto all = choices({.longest = microseconds(50), .look_ahead = 1});
  (void)choose_slices(all, 0.03, [](const SliceChoice&) -> double {
    ADD_FAILURE();
    return 0;
  });
}

}  // namespace
}  // namespace greenlane::detail

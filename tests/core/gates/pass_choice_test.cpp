#include "core/gates/pass_choice.hpp"

#include <gtest/gtest.h>

#include <random>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;

constexpr microseconds kDeadline(100);

// Adds calls of both ways until the choice is made. Returns their number.
int decide(PassChoice& choice, microseconds held, microseconds beside) {
  int calls = 0;
  while (!choice.is_made() && calls < 1000) {
    choice.add(PassWay::hold, held);
    choice.add(PassWay::beside, beside);
    calls += 2;
  }
  return calls;
}

TEST(PassChoiceTest, CallsHoldUntilBothWaysHaveBeenTriedOftenEnough) {
  PassChoice choice(kDeadline);
  for (int i = 0; i < 1000; ++i) choice.add(PassWay::beside, microseconds(50));
  EXPECT_FALSE(choice.is_made());
  EXPECT_EQ(choice.chosen(), PassWay::hold);
  EXPECT_LT(decide(choice, microseconds(50), microseconds(50)), 500);
  EXPECT_EQ(choice.chosen(), PassWay::beside);
}

TEST(PassChoiceTest, CallsPassBesideUnlessThatTakesMuchLonger) {
  PassChoice equal(kDeadline);
  (void)decide(equal, microseconds(50), microseconds(60));
  EXPECT_EQ(equal.chosen(), PassWay::beside);
  PassChoice longer(kDeadline);
  (void)decide(longer, microseconds(50), microseconds(65));
  EXPECT_EQ(longer.chosen(), PassWay::hold);
}

TEST(PassChoiceTest, CallsPassBesideIfThatIsLittleOfTheirDeadline) {
  PassChoice far(microseconds(1000));
  (void)decide(far, microseconds(50), microseconds(130));
  EXPECT_EQ(far.chosen(), PassWay::beside);
  PassChoice near(microseconds(700));
  (void)decide(near, microseconds(50), microseconds(130));
  EXPECT_EQ(near.chosen(), PassWay::hold);
}

TEST(PassChoiceTest, OneSlowCallDecidesNothing) {
  PassChoice choice(kDeadline);
  choice.add(PassWay::beside, microseconds(5000));
  (void)decide(choice, microseconds(50), microseconds(50));
  EXPECT_EQ(choice.chosen(), PassWay::beside);
}

TEST(PassChoiceTest, SlowCallsInTenDecide) {
  PassChoice choice(kDeadline);
  for (int i = 0; i < 40; ++i) choice.add(PassWay::beside, microseconds(90));
  (void)decide(choice, microseconds(50), microseconds(50));
  EXPECT_EQ(choice.chosen(), PassWay::hold);
}

// A busy host delays some calls of either way.
TEST(PassChoiceTest, ABusyHostSeldomTurnsTheChoiceBetweenEqualWays) {
  std::mt19937 random(1);
  const auto time = [&] { return microseconds(50 + (random() % 8 == 0 ? 20 + random() % 200 : random() % 10)); };
  int held = 0;
  constexpr int kTurns = 200;
  for (int turn = 0; turn < kTurns; ++turn) {
    PassChoice choice(kDeadline);
    while (!choice.is_made()) {
      choice.add(PassWay::hold, time());
      choice.add(PassWay::beside, time());
    }
    held += choice.chosen() == PassWay::hold;
  }
  EXPECT_LE(held, kTurns / 5);
}

TEST(PassChoiceTest, AMadeChoiceStays) {
  PassChoice choice(kDeadline);
  (void)decide(choice, microseconds(50), microseconds(50));
  for (int i = 0; i < 100; ++i) choice.add(PassWay::beside, microseconds(500));
  EXPECT_EQ(choice.chosen(), PassWay::beside);
}

}  // namespace
}  // namespace greenlane::detail

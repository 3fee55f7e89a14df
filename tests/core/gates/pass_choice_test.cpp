#include "core/gates/pass_choice.hpp"

#include <gtest/gtest.h>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;

// Makes calls until the choice is made. Returns their number.
int decide(PassChoice& choice, microseconds held, microseconds beside) {
  int calls = 0;
  while (!choice.is_made() && calls < 1000) {
    const auto way = choice.next();
    choice.add(way, way == PassWay::hold ? held : beside);
    ++calls;
  }
  return calls;
}

TEST(PassChoiceTest, BothWaysAreTriedEquallyOften) {
  PassChoice choice;
  int held = 0;
  for (int i = 0; i < 40; ++i) {
    const auto way = choice.next();
    held += way == PassWay::hold ? 1 : 0;
    choice.add(way, microseconds(50));
  }
  EXPECT_EQ(held, 20);
  EXPECT_FALSE(choice.is_made());
}

TEST(PassChoiceTest, CallsPassBesideUnlessThatTakesLonger) {
  PassChoice equal;
  EXPECT_LT(decide(equal, microseconds(50), microseconds(60)), 200);
  EXPECT_EQ(equal.next(), PassWay::beside);
  PassChoice longer;
  (void)decide(longer, microseconds(50), microseconds(65));
  EXPECT_EQ(longer.next(), PassWay::hold);
}

TEST(PassChoiceTest, OneSlowCallDecidesNothing) {
  PassChoice choice;
  choice.add(PassWay::hold, microseconds(50));
  choice.add(PassWay::beside, microseconds(5000));
  (void)decide(choice, microseconds(50), microseconds(50));
  EXPECT_EQ(choice.next(), PassWay::beside);
}

TEST(PassChoiceTest, SlowCallsInTenDecide) {
  PassChoice choice;
  for (int i = 0; i < 8; ++i) choice.add(PassWay::beside, microseconds(90));
  (void)decide(choice, microseconds(50), microseconds(50));
  EXPECT_EQ(choice.next(), PassWay::hold);
}

TEST(PassChoiceTest, AMadeChoiceStays) {
  PassChoice choice;
  (void)decide(choice, microseconds(50), microseconds(50));
  for (int i = 0; i < 100; ++i) choice.add(PassWay::beside, microseconds(500));
  EXPECT_EQ(choice.next(), PassWay::beside);
}

TEST(PassChoiceTest, CallsHoldIfCallsBesideTeachNothing) {
  PassChoice choice;
  int beside = 0;
  for (int i = 0; i < 5000; ++i) {
    if (choice.next() == PassWay::beside) {
      ++beside;
    } else {
      choice.add(PassWay::hold, microseconds(50));
    }
  }
  EXPECT_EQ(choice.next(), PassWay::hold);
  EXPECT_LE(beside, 1000);
}

}  // namespace
}  // namespace greenlane::detail

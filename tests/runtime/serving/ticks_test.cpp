#include "runtime/serving/ticks.hpp"

#include <gtest/gtest.h>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

const Clock::time_point kFirst{std::chrono::hours(1)};

Clock::time_point at(int time) { return kFirst + milliseconds(time); }

TEST(Ticks, APunctualTickSkipsNothing) {
  Ticks ticks(kFirst, milliseconds(10));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ticks.next(), at(10 * i));
    EXPECT_EQ(ticks.take(at(10 * i + 9)), 0U);
  }
}

TEST(Ticks, ALateTickSkipsThoseThatPassed) {
  Ticks ticks(kFirst, milliseconds(10));
  EXPECT_EQ(ticks.take(at(35)), 3U);  // 10, 20 and 30
  EXPECT_EQ(ticks.next(), at(40));
  EXPECT_EQ(ticks.take(at(50)), 1U) << "a tick that is due right now has passed";
  EXPECT_EQ(ticks.next(), at(60));
}

TEST(Ticks, TicksBehindTheEndAreNotSkipped) {
  Ticks ticks(kFirst, milliseconds(10));
  EXPECT_EQ(ticks.take(at(1000), at(30)), 2U);  // 10 and 20
  EXPECT_EQ(ticks.next(), at(30));
}

}  // namespace
}  // namespace greenlane::runtime

#include "runtime/serving/figures.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Clock::time_point kBegin{std::chrono::hours(1)};

TEST(Figures, QuantilesAreThoseOfTheRuns) {
  Figures figures(kBegin);
  for (int i = 1; i <= 100; ++i) figures.served(microseconds(0), microseconds(i), kBegin + milliseconds(i), i > 90);
  const auto now = figures.now(kBegin + seconds(1));
  EXPECT_EQ(now.whole.sum, microseconds(5050));
  EXPECT_NEAR(static_cast<double>(now.whole.up_to[0]), 50, 1) << "up to 50 us";
  EXPECT_EQ(now.whole.up_to[2], 100U) << "up to 250 us";
  EXPECT_EQ(now.runs, 100U);
  EXPECT_EQ(now.misses, 10U);
  for (const auto& each : {now.recent, now.whole}) {
    EXPECT_EQ(each.count, 100U);
    EXPECT_NEAR(static_cast<double>(each.p50.count()), 50e3, 0.5e3);
    EXPECT_NEAR(static_cast<double>(each.p90.count()), 90e3, 1e3);
    EXPECT_NEAR(static_cast<double>(each.p99.count()), 99e3, 1e3);
    EXPECT_EQ(each.max, microseconds(100));
  }
  EXPECT_DOUBLE_EQ(now.rate_hz, 100);
}

TEST(Figures, WaitsAreKeptApart) {
  Figures figures(kBegin);
  figures.served(microseconds(10), milliseconds(5), kBegin, false);
  EXPECT_EQ(figures.now(kBegin).waits.max, microseconds(10));
  EXPECT_EQ(figures.now(kBegin).whole.max, milliseconds(5));
}

TEST(Figures, TheWindowForgets) {
  Figures figures(kBegin);
  figures.served(milliseconds(0), milliseconds(50), kBegin + milliseconds(500), false);
  figures.served(milliseconds(0), milliseconds(1), kBegin + seconds(5), false);
  auto now = figures.now(kBegin + milliseconds(9'999));
  EXPECT_EQ(now.recent.count, 2U);
  EXPECT_EQ(now.recent.max, milliseconds(50));
  now = figures.now(kBegin + milliseconds(10'001));
  EXPECT_EQ(now.recent.count, 1U);
  EXPECT_EQ(now.recent.max, milliseconds(1)) << "the window's maximum is that of a run that left it";
  EXPECT_EQ(now.whole.count, 2U);
  EXPECT_EQ(now.whole.max, milliseconds(50));
  now = figures.now(kBegin + std::chrono::hours(2));
  EXPECT_EQ(now.recent.count, 0U);
  EXPECT_EQ(now.recent.p99.count(), 0);
  EXPECT_EQ(now.rate_hz, 0);
  EXPECT_EQ(now.runs, 2U);
}

TEST(Figures, TheWindowGoesOnAfterAPause) {
  Figures figures(kBegin);
  for (int second = 0; second < 40; second += 3) {
    const auto time = kBegin + seconds(second) + milliseconds(1);
    figures.served(milliseconds(0), milliseconds(second + 1), time, false);
    const auto now = figures.now(time);
    EXPECT_EQ(now.recent.count, static_cast<unsigned>(std::min(second / 3, 3) + 1));
    EXPECT_EQ(now.recent.max, milliseconds(second + 1));
  }
}

TEST(Figures, EachCounterCountsItsOwn) {
  Figures figures(kBegin);
  figures.called();
  figures.failed();
  figures.failed();
  figures.skipped(3);
  figures.dropped();
  figures.rejected();
  figures.cancelled();
  const auto now = figures.now(kBegin);
  EXPECT_EQ(now.calls, 1U);
  EXPECT_EQ(now.failed, 2U);
  EXPECT_EQ(now.skipped, 3U);
  EXPECT_EQ(now.dropped, 1U);
  EXPECT_EQ(now.rejected, 1U);
  EXPECT_EQ(now.cancelled, 1U);
  EXPECT_EQ(now.misses, 4U) << "skipped ticks and dropped requests are misses";
  figures.begin(kBegin);
  EXPECT_EQ(figures.now(kBegin).misses, 0U);
}

}  // namespace
}  // namespace greenlane::runtime

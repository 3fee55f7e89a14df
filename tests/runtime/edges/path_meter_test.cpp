#include "runtime/edges/path_meter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

class PathMeterTest : public ::testing::Test {
 protected:
  [[nodiscard]] SourceItem item(std::uint64_t sequence, std::size_t source = 0) const {
    return {.source = source, .sequence = sequence, .published = begin + milliseconds(10 * sequence)};
  }
  // Notes a result `after` the newest of these items was published.
  void result(const std::vector<SourceItem>& items, milliseconds after) {
    SourceItems all;
    auto newest = begin;
    for (const auto& each : items) {
      all.add(SourceItems(each));
      newest = std::max(newest, each.published);
    }
    meter.add(all, newest + after);
  }
  Clock::time_point begin = Clock::now();
  PathMeter meter{0, milliseconds(5)};
};

TEST_F(PathMeterTest, ALatencyRunsFromPublicationToTheFirstResult) {
  result({item(1)}, milliseconds(3));
  result({item(1)}, milliseconds(9));
  result({item(2)}, milliseconds(7));
  const auto figures = meter.now(Clock::now());
  EXPECT_EQ(figures.items, 2U);
  EXPECT_EQ(figures.misses, 1U);
  EXPECT_EQ(figures.whole.max, milliseconds(7));
  EXPECT_EQ(figures.dropped, 0U);
}

TEST_F(PathMeterTest, AnItemThatNoResultContainedIsDropped) {
  result({item(1)}, milliseconds(1));
  result({item(5)}, milliseconds(1));
  EXPECT_EQ(meter.now(Clock::now()).dropped, 3U);
}

TEST_F(PathMeterTest, AnItemThatComesAfterANewerOneIsNotDropped) {
  result({item(2)}, milliseconds(1));
  EXPECT_EQ(meter.now(Clock::now()).dropped, 1U);
  result({item(1), item(2)}, milliseconds(2));
  const auto figures = meter.now(Clock::now());
  EXPECT_EQ(figures.items, 2U);
  EXPECT_EQ(figures.dropped, 0U);
  EXPECT_EQ(figures.whole.max, milliseconds(12)) << "item 1 is older";
}

TEST_F(PathMeterTest, ItemsOfOtherSourcesDoNotCount) {
  result({item(1, /*source=*/1)}, milliseconds(1));
  EXPECT_EQ(meter.now(Clock::now()).items, 0U);
}

TEST_F(PathMeterTest, LongPathsAreCountedRight) {
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    if (i % 10 != 0) result({item(i)}, milliseconds(1));
  }
  const auto figures = meter.now(Clock::now());
  EXPECT_EQ(figures.items, 18'000U);
  EXPECT_EQ(figures.dropped, 1'999U) << "no result contained a newer item than the last";
}

TEST_F(PathMeterTest, ALeapDropsAllBetween) {
  result({item(1)}, milliseconds(1));
  result({item(10'000)}, milliseconds(1));
  result({item(9'999)}, milliseconds(1));
  const auto figures = meter.now(Clock::now());
  EXPECT_EQ(figures.items, 3U);
  EXPECT_EQ(figures.dropped, 9'997U);
}

TEST_F(PathMeterTest, ItForgetsTheItemsBeforeItsBegin) {
  result({item(3)}, milliseconds(1));
  meter.begin(Clock::now());
  EXPECT_EQ(meter.now(Clock::now()).items, 0U);
  result({item(2)}, milliseconds(1));
  result({item(5)}, milliseconds(1));
  const auto figures = meter.now(Clock::now());
  EXPECT_EQ(figures.items, 1U);
  EXPECT_EQ(figures.dropped, 1U);
}

}  // namespace
}  // namespace greenlane::runtime

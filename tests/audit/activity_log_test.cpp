#include "audit/activity_log.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

namespace greenlane::audit {
namespace {

using std::chrono::nanoseconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RecordedActivity kernel(std::uint32_t correlation, std::string_view name = "matmul", int begin = 0, int end = 10) {
  return {.kernel = name,
          .correlation = correlation,
          .context = 2,
          .stream = 3,
          .begin = nanoseconds(begin),
          .end = nanoseconds(end)};
}

TEST(ActivityLog, RecordsOfALaunchAreMatchedInAnyOrder) {
  ActivityLog log(0);
  log.add_launch(1, 7);
  log.add(kernel(1));
  log.add(kernel(2));
  log.add_launch(2, 7);
  const auto contents = log.take();
  ASSERT_THAT(contents.activities, SizeIs(1));
  EXPECT_EQ(contents.activities[0].site, 7U);
  EXPECT_EQ(contents.activities[0].count, 2U);
  EXPECT_EQ(contents.activities[0].time, nanoseconds(20));
  EXPECT_EQ(contents.activities[0].kernel, "matmul");
}

TEST(ActivityLog, AllNodesOfAGraphBelongToItsLaunch) {
  ActivityLog log(0);
  log.add_launch(1, 7);
  for (int i = 0; i < 50; ++i) log.add(kernel(1));
  EXPECT_EQ(log.take().activities.at(0).count, 50U);
}

TEST(ActivityLog, AKernelWithoutALaunchHasNoCallSite) {
  ActivityLog log(0);
  log.add(kernel(1));
  log.settle();
  const auto contents = log.take();
  ASSERT_THAT(contents.activities, SizeIs(1));
  EXPECT_EQ(contents.activities[0].site, 0U);
}

TEST(ActivityLog, DifferentActivitiesAreCountedSeparately) {
  ActivityLog log(0);
  log.add_launch(1, 1);
  log.add(kernel(1));
  log.add(kernel(1, "relu"));
  auto node = kernel(1);
  node.in_graph = true;
  log.add(node);
  auto copy = kernel(1, "");
  copy.kind = ActivityKind::copy;
  log.add(copy);
  const auto contents = log.take();
  EXPECT_THAT(contents.activities, SizeIs(4));
  EXPECT_EQ(std::ranges::count(contents.activities, ActivityKind::copy, &Activity::kind), 1);
}

TEST(ActivityLog, TheNumberOfSpansIsBounded) {
  ActivityLog log(3);
  log.add_launch(1, 1);
  for (int i = 0; i < 3; ++i) log.add(kernel(1, "k", i, i + 1));
  auto copy = kernel(1);
  copy.kind = ActivityKind::copy;
  log.add(copy);
  auto contents = log.take();
  EXPECT_THAT(contents.spans, SizeIs(3));
  EXPECT_FALSE(contents.spans_are_cut) << "a copy was counted as a span";
  EXPECT_EQ(contents.kernels.at(contents.spans[0].key.kernel), "k");
  EXPECT_EQ(contents.spans[2].begin, nanoseconds(2));
  for (int i = 0; i < 4; ++i) log.add(kernel(9));
  contents = log.take();
  EXPECT_THAT(contents.spans, SizeIs(3));
  EXPECT_TRUE(contents.spans_are_cut);
  EXPECT_EQ(contents.activities.at(0).count, 4U) << "kernels beyond the bound were not counted";
}

TEST(ActivityLog, TakeEmptiesTheLog) {
  ActivityLog log(0);
  log.add_launch(1, 1);
  log.add(kernel(1));
  log.add_dropped(3);
  log.add_context({.context = 2, .device = 0, .is_green = true, .units = 16});
  EXPECT_EQ(log.take().dropped, 3U);
  const auto contents = log.take();
  EXPECT_THAT(contents.activities, IsEmpty());
  EXPECT_THAT(contents.contexts, IsEmpty());
  EXPECT_EQ(contents.dropped, 0U);
}

TEST(ActivityLog, OldLaunchesAreForgotten) {
  ActivityLog log(0);
  const auto most = static_cast<std::uint32_t>(ActivityLog::kMostLaunches);
  for (std::uint32_t i = 0; i < 2 * most + 1; ++i) log.add_launch(i, 1);
  log.add(kernel(0));
  log.add(kernel(most));
  log.add(kernel(2 * most));
  const auto contents = log.take();
  ASSERT_THAT(contents.activities, SizeIs(2));
  EXPECT_EQ(contents.activities[0].site, 0U);
  EXPECT_EQ(contents.activities[0].count, 1U);
  EXPECT_EQ(contents.activities[1].count, 2U);
}

TEST(ActivityLog, TooManyWaitingKernelsLoseTheirCallSite) {
  ActivityLog log(0);
  constexpr std::uint32_t kMore = 10;
  for (std::uint32_t i = 0; i < ActivityLog::kMostWaiting + kMore; ++i) log.add(kernel(i));
  log.settle();
  for (std::uint32_t i = 0; i < ActivityLog::kMostWaiting + kMore; ++i) log.add_launch(i, 1);
  const auto contents = log.take();
  ASSERT_THAT(contents.activities, SizeIs(2));
  EXPECT_EQ(contents.activities[0].site, 0U);
  EXPECT_EQ(contents.activities[0].count, kMore) << "other kernels than the oldest lost their call site";
}

TEST(ActivityLog, ManyThreadsMayWriteAtOnce) {
  ActivityLog log(0);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t t = 0; t < 4; ++t) {
      threads.emplace_back([&log, t] {
        for (std::uint32_t i = 0; i < 1000; ++i) {
          log.add_launch(t * 1000 + i, t + 1);
          log.add(kernel(t * 1000 + i));
          if (i % 100 == 0) log.settle();
        }
      });
    }
  }
  const auto contents = log.take();
  ASSERT_THAT(contents.activities, SizeIs(4));
  for (const auto& activity : contents.activities) EXPECT_EQ(activity.count, 1000U);
}

}  // namespace
}  // namespace greenlane::audit

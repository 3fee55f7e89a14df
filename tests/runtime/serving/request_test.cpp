#include "runtime/serving/request.hpp"

#include "support/serving.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

std::exception_ptr failure() { return std::make_exception_ptr(std::runtime_error("no")); }

TEST(Request, EndsOnce) {
  const auto one = request();
  EXPECT_FALSE(one->has_ended());
  EXPECT_TRUE(one->begin());
  EXPECT_TRUE(one->end());
  EXPECT_FALSE(one->end(failure()));
  EXPECT_FALSE(one->end_queued(failure()));
  EXPECT_FALSE(one->begin());
  EXPECT_EQ(one->error(), nullptr);
  EXPECT_NO_THROW(one->wait());
}

TEST(Request, AnErrorReachesTheOneWhoWaits) {
  const auto one = request();
  std::jthread ending([&] {
    std::this_thread::sleep_for(milliseconds(20));
    one->end(failure());
  });
  EXPECT_THROW(one->wait(), std::runtime_error);
  EXPECT_TRUE(one->has_ended());
}

TEST(Request, ARunThatBeganCannotBeTakenBack) {
  const auto one = request();
  EXPECT_TRUE(one->begin());
  EXPECT_FALSE(one->end_queued(failure()));
  EXPECT_FALSE(one->has_ended());
  const auto other = request();
  EXPECT_TRUE(other->end_queued(failure()));
  EXPECT_FALSE(other->begin()) << "a cancelled request would be run";
}

TEST(Request, AWaitEndsAfterItsTime) {
  const auto one = request();
  EXPECT_FALSE(one->wait_for(milliseconds(1)));
  one->end();
  EXPECT_TRUE(one->wait_for(milliseconds(0)));
}

TEST(Request, ListenersAreCalledOnceEach) {
  int calls = 0;
  const auto one = request();
  one->when_ended([&] { ++calls; });
  EXPECT_EQ(calls, 0);
  one->end();
  EXPECT_EQ(calls, 1);
  one->end();
  EXPECT_EQ(calls, 1);
  one->when_ended([&] { calls += 10; });
  EXPECT_EQ(calls, 11) << "a listener that came late was not called at once";
}

TEST(Request, ItIsLateAfterItsDeadline) {
  const auto begin = Clock::now();
  const Request one(work(), {.arrival = begin, .deadline = milliseconds(5)});
  EXPECT_FALSE(one.is_late(begin + milliseconds(5)));
  EXPECT_TRUE(one.is_late(begin + milliseconds(6)));
  const Request without(work(), {.arrival = begin});
  EXPECT_FALSE(without.is_late(begin + std::chrono::hours(1)));
}

TEST(Request, OneOfManyThreadsEndsIt) {
  for (int turn = 0; turn < 100; ++turn) {
    const auto one = request();
    std::atomic<int> ended{0};
    std::atomic<int> heard{0};
    one->when_ended([&] { ++heard; });
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] { ended += (i % 2 ? one->end() : one->end_queued(failure())) ? 1 : 0; });
      }
    }
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(heard, 1);
  }
}

TEST(Request, TheLongestWaitIsAWait) {
  const auto one = request();
  std::jthread ends([&] {
    std::this_thread::sleep_for(milliseconds(5));
    one->end();
  });
  EXPECT_TRUE(one->wait_for(std::chrono::nanoseconds::max()));
}

}  // namespace
}  // namespace greenlane::runtime

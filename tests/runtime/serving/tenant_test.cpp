#include "runtime/serving/tenant.hpp"

#include <gmock/gmock.h>

#include <memory>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using Reason = RequestError::Reason;

std::shared_ptr<Tenant> tenant(TenantOptions options) {
  options.name = "alice";
  return std::make_shared<Tenant>(std::move(options));
}

// Returns why a request is refused; absent: it is not.
std::optional<Reason> refusal(Tenant& tenant, Clock::time_point now) {
  try {
    (void)tenant.admit(now);
  } catch (const RequestError& error) {
    return error.reason();
  }
  return std::nullopt;
}

TEST(Tenant, WithoutLimitsEverythingIsAdmitted) {
  const auto alice = tenant({});
  const auto now = Clock::now();
  std::vector<Tenant::Place> places;
  for (int i = 0; i < 1000; ++i) places.push_back(alice->admit(now));
  EXPECT_EQ(alice->waiting(), 1000U);
}

TEST(Tenant, APlaceIsFreeAgainOnceItIsGivenUp) {
  const auto alice = tenant({.waiting = 2});
  const auto now = Clock::now();
  auto one = alice->admit(now);
  const auto other = alice->admit(now);
  EXPECT_EQ(refusal(*alice, now), Reason::queue_full);
  EXPECT_EQ(alice->waiting(), 2U) << "a refused request holds no place";
  one.give_up();
  EXPECT_EQ(alice->waiting(), 1U);
  EXPECT_EQ(refusal(*alice, now), std::nullopt);
  EXPECT_EQ(alice->refused(), 1U);
}

TEST(Tenant, ARateAdmitsABurstAndThenWhatTimeAllows) {
  const auto alice = tenant({.rate_hz = 100, .burst = 3});
  const auto now = Clock::now();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(*alice, now), std::nullopt);
  EXPECT_EQ(refusal(*alice, now), Reason::too_many);
  EXPECT_EQ(refusal(*alice, now + milliseconds(9)), Reason::too_many);
  EXPECT_EQ(refusal(*alice, now + milliseconds(11)), std::nullopt);
  EXPECT_EQ(refusal(*alice, now + milliseconds(12)), Reason::too_many);
  // A long pause saves no more than a burst.
  int admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += refusal(*alice, now + milliseconds(100'000)) == std::nullopt ? 1 : 0;
  EXPECT_EQ(admitted, 3);
}

TEST(Tenant, AClockThatComesOutOfOrderAddsNoTokens) {
  const auto alice = tenant({.rate_hz = 100, .burst = 1});
  const auto now = Clock::now();
  EXPECT_EQ(refusal(*alice, now), std::nullopt);
  EXPECT_EQ(refusal(*alice, now - milliseconds(1000)), Reason::too_many);
  EXPECT_EQ(refusal(*alice, now), Reason::too_many);
}

TEST(Tenant, ThreadsNeverHoldMorePlacesThanThereAre) {
  const auto alice = tenant({.waiting = 3});
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2000; ++turn) {
        try {
          const auto place = alice->admit(Clock::now());
          const auto now = ++held;
          auto seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) continue;
          --held;
        } catch (const RequestError&) {
        }
      }
    });
  }
  for (auto& each : threads) each.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(alice->waiting(), 0U);
}

}  // namespace
}  // namespace greenlane::runtime

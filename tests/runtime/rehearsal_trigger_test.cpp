// Rehearsals run on the real clock. The tests therefore check counts, which the timetable fixes, and bounds that hold
// even if a wait takes longer than asked.
#include "runtime/rehearsal_trigger.hpp"

#include "support/runtime_workload.hpp"

#include <gmock/gmock.h>

#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class RehearsalTriggerTest : public ::testing::Test {
 protected:
  static EngineConfig every(Nanoseconds period, Nanoseconds deadline) {
    EngineConfig engine;
    engine.period = period;
    engine.deadline = deadline;
    return engine;
  }
  EngineResult run(FakeWorkload& workload, const EngineConfig& engine, Nanoseconds warm_up, Nanoseconds duration,
                   bool trace = false) {
    EngineResult result;
    ServedEngine served(std::shared_ptr<Workload>(std::shared_ptr<void>(), &workload), {.name = "engine"});
    timetable_.begin = Clock::now();
    timetable_.measure = timetable_.begin + warm_up;
    timetable_.end = timetable_.measure + duration;
    const auto trigger = std::make_shared<RehearsalTrigger>(served, engine, timetable_, trace, result);
    if (stop_) return result;
    served.start(trigger, timetable_.spin);
    while (!served.wait_for_trigger(milliseconds(5))) {
      if (stop_) served.stop(Clock::time_point::max());
    }
    trigger->finish(stop_);
    return result;
  }
  static void work_for(Nanoseconds time) { std::this_thread::sleep_for(time); }

  Timetable timetable_;
  std::atomic<bool> stop_{false};
};

TEST_F(RehearsalTriggerTest, EveryArrivalIsCounted) {
  FakeWorkload workload;
  const auto result = run(workload, every(milliseconds(10), seconds(10)), {}, milliseconds(500));
  EXPECT_EQ(result.requests, 50U);
  const auto served = result.requests - result.skipped;  // a busy machine wakes threads late
  EXPECT_EQ(result.latency.count(), served);
  EXPECT_EQ(result.unserved, 0U);
  EXPECT_EQ(result.misses, result.skipped);
  EXPECT_EQ(static_cast<std::uint64_t>(workload.runs()), served);
  EXPECT_DOUBLE_EQ(result.rate_hz, static_cast<double>(served) / 0.5);
  EXPECT_EQ(result.error, "");
}

TEST_F(RehearsalTriggerTest, NoRunStartsBeforeItsRequest) {
  std::vector<Clock::time_point> starts;
  FakeWorkload workload([&](int) { starts.push_back(Clock::now()); });
  (void)run(workload, every(milliseconds(20), seconds(10)), {}, milliseconds(300));
  ASSERT_LE(starts.size(), 15U);
  ASSERT_GT(starts.size(), 5U);
  for (std::size_t i = 0; i < starts.size(); ++i) EXPECT_GE(starts[i], timetable_.begin + i * milliseconds(20));
}

TEST_F(RehearsalTriggerTest, TheStateIsResetAfterTheWarmUp) {
  FakeWorkload workload;
  const auto result = run(workload, every(milliseconds(10), seconds(10)), milliseconds(100), milliseconds(100));
  EXPECT_EQ(result.requests, 10U);
  ASSERT_EQ(workload.resets().size(), 1U);
  EXPECT_GT(workload.resets()[0], 0);
  EXPECT_EQ(static_cast<std::uint64_t>(workload.runs() - workload.resets()[0]), result.requests - result.skipped);
  FakeWorkload back_to_back([](int) { work_for(milliseconds(1)); });
  (void)run(back_to_back, EngineConfig{}, milliseconds(20), milliseconds(20));
  ASSERT_EQ(back_to_back.resets().size(), 1U);
  EXPECT_GT(back_to_back.resets()[0], 0);
}

TEST_F(RehearsalTriggerTest, AnEngineWithHiddenStateHasNoWarmUp) {
  FakeWorkload workload;
  workload.set_may_be_warmed_up(false);
  const auto result = run(workload, every(milliseconds(10), seconds(10)), milliseconds(100), milliseconds(100));
  EXPECT_EQ(result.requests, 10U);
  EXPECT_EQ(static_cast<std::uint64_t>(workload.runs()), result.requests - result.skipped);
  FakeWorkload back_to_back([](int) { work_for(milliseconds(1)); });
  back_to_back.set_may_be_warmed_up(false);
  const auto other = run(back_to_back, EngineConfig{}, milliseconds(20), milliseconds(20));
  EXPECT_EQ(static_cast<std::uint64_t>(back_to_back.runs()), other.requests);
}

TEST_F(RehearsalTriggerTest, LatencyOfARandomArrivalCountsItsWholeWait) {
  // One slow run of 200 ms. About twenty arrivals wait for it.
  FakeWorkload workload([](int number) {
    if (number == 5) work_for(milliseconds(200));
  });
  auto engine = every(milliseconds(10), seconds(10));
  engine.arrivals = Arrivals::poisson;
  const auto result = run(workload, engine, {}, milliseconds(500));
  EXPECT_GE(result.latency.max(), milliseconds(200));
  const auto late = result.requests / 10;  // fewer wait for more than 50 ms than 150 ms' worth of arrivals
  EXPECT_GE(result.latency.quantile(1 - static_cast<double>(late) / static_cast<double>(result.requests)),
            milliseconds(50));
  EXPECT_EQ(result.requests, static_cast<unsigned>(workload.runs()));
  EXPECT_EQ(result.skipped, 0U);
}

TEST_F(RehearsalTriggerTest, ALateTickStandsForThoseThatPassed) {
  FakeWorkload workload([](int number) {
    if (number == 0) work_for(milliseconds(205));
  });
  const auto result = run(workload, every(milliseconds(10), seconds(10)), {}, milliseconds(400), /*trace=*/true);
  EXPECT_EQ(result.requests, 40U);
  EXPECT_GE(result.skipped, 19U);  // the ticks at 20 to 200 ms; the one at 10 ms is served late
  EXPECT_EQ(result.skipped, 40U - static_cast<unsigned>(workload.runs()));
  EXPECT_EQ(result.misses, result.skipped) << "a skipped tick was not counted as a miss, or a late one was";
  EXPECT_EQ(result.latency.count(), static_cast<unsigned>(workload.runs()));
  EXPECT_EQ(result.unserved, 0U);
  ASSERT_GE(result.spans.size(), 3U);
  EXPECT_EQ(result.spans[1].scheduled, milliseconds(10));
  EXPECT_GE(result.spans[1].start, milliseconds(205));
  for (const auto& span : result.spans) EXPECT_EQ(span.scheduled % milliseconds(10), Nanoseconds(0));
  for (std::size_t i = 2; i < result.spans.size(); ++i) EXPECT_GT(result.spans[i].scheduled, result.spans[1].start);
}

TEST_F(RehearsalTriggerTest, SkippedTicksOfTheWarmUpDoNotCount) {
  FakeWorkload workload([](int number) {
    if (number == 5) work_for(milliseconds(105));  // from 50 ms to 155 ms; the measurement begins at 100 ms
  });
  const auto result = run(workload, every(milliseconds(10), seconds(10)), milliseconds(100), milliseconds(200));
  EXPECT_EQ(result.requests, 20U);
  EXPECT_GE(result.skipped, 6U);
  EXPECT_LE(result.skipped, 10U);
  EXPECT_EQ(result.latency.count(), 20U - result.skipped);
}

TEST_F(RehearsalTriggerTest, LateRandomArrivalsAreServedOneRightAfterAnother) {
  FakeWorkload workload([](int number) {
    if (number == 0) work_for(milliseconds(200));
  });
  auto engine = every(milliseconds(10), seconds(10));
  engine.arrivals = Arrivals::poisson;
  const auto result = run(workload, engine, {}, milliseconds(400), /*trace=*/true);
  EXPECT_EQ(result.requests, static_cast<unsigned>(workload.runs()));
  EXPECT_EQ(result.unserved, 0U);
  ASSERT_GT(result.spans.size(), 15U);
  EXPECT_LT(result.spans[8].start - result.spans[1].start, result.spans[0].end - result.spans[0].start);
}

TEST_F(RehearsalTriggerTest, OnlyLateRequestsAreMissed) {
  FakeWorkload workload([](int number) {
    if (number == 2) work_for(milliseconds(500));
  });
  const auto result = run(workload, every(milliseconds(200), milliseconds(400)), {}, milliseconds(1'600));
  EXPECT_GE(result.misses, 1U);
  EXPECT_LT(result.misses, result.requests);
}

TEST_F(RehearsalTriggerTest, ATooSlowEngineMissesEveryDeadline) {
  FakeWorkload workload([](int) { work_for(milliseconds(30)); });
  const auto result = run(workload, every(milliseconds(10), milliseconds(20)), {}, milliseconds(300));
  EXPECT_EQ(result.requests, 30U);
  EXPECT_EQ(result.misses, 30U);
  EXPECT_EQ(result.skipped + result.unserved, 30U - static_cast<unsigned>(workload.runs()));
  EXPECT_GE(result.skipped, 18U);
  EXPECT_GE(result.latency.quantile(0.5), milliseconds(30));
  EXPECT_DOUBLE_EQ(result.rate_hz, workload.runs() / 0.3);
}

TEST_F(RehearsalTriggerTest, ArrivalsBeforeTheEndAreServed) {
  FakeWorkload workload([](int number) {
    if (number == 0) work_for(milliseconds(150));
  });
  auto engine = every(milliseconds(10), hours(1));
  engine.arrivals = Arrivals::poisson;
  const auto result = run(workload, engine, {}, milliseconds(100));
  EXPECT_EQ(static_cast<unsigned>(workload.runs()), result.requests);
  EXPECT_GT(workload.runs(), 2);
  EXPECT_EQ(result.unserved, 0U);
}

TEST_F(RehearsalTriggerTest, UnservedRequestsCountAsMissed) {
  FakeWorkload workload([&](int number) {
    work_for(milliseconds(50));
    if (number == 2) stop_ = true;
  });
  auto engine = every(milliseconds(10), hours(1));
  engine.arrivals = Arrivals::poisson;
  const auto result = run(workload, engine, {}, hours(1));
  EXPECT_GE(workload.runs(), 3);
  EXPECT_LE(workload.runs(), 5) << "the stop was not noticed";
  EXPECT_GE(result.requests, 8U);
  EXPECT_EQ(result.unserved, result.requests - static_cast<unsigned>(workload.runs()));
  EXPECT_EQ(result.misses, result.unserved);
}

TEST_F(RehearsalTriggerTest, WarmUpIsNotCounted) {
  FakeWorkload workload([](int number) {
    if (number == 0) work_for(milliseconds(55));
  });
  const auto result =
      run(workload, every(milliseconds(10), hours(1)), milliseconds(300), milliseconds(200), /*trace=*/true);
  EXPECT_EQ(result.requests, 20U);
  const auto served = result.requests - result.skipped;
  EXPECT_GE(static_cast<std::uint64_t>(workload.runs()), served + 20);
  EXPECT_EQ(result.latency.count(), served);
  EXPECT_DOUBLE_EQ(result.rate_hz, static_cast<double>(served) / 0.2);
  ASSERT_EQ(result.spans.size(), served);
  EXPECT_GE(result.spans[0].scheduled, Nanoseconds(0));
}

TEST_F(RehearsalTriggerTest, BackToBackRunsCountFromTheirStart) {
  int measured = 0;
  FakeWorkload workload([&](int) {
    if (Clock::now() >= timetable_.measure) ++measured;
    work_for(milliseconds(5));
  });
  const auto result = run(workload, EngineConfig{}, milliseconds(50), milliseconds(250));
  EXPECT_GE(result.requests, 1U);
  EXPECT_LE(result.requests, 50U);
  EXPECT_LT(result.requests, static_cast<unsigned>(workload.runs()));
  EXPECT_THAT(static_cast<int>(result.requests), ::testing::AnyOf(measured, measured - 1));
  EXPECT_GE(result.latency.quantile(0), milliseconds(5));
  EXPECT_EQ(result.misses, 0U);
  EXPECT_EQ(result.unserved, 0U);
  EXPECT_DOUBLE_EQ(result.rate_hz, static_cast<double>(result.requests) / 0.25);
}

TEST_F(RehearsalTriggerTest, AStopEndsWaitsAndBackToBackRuns) {
  for (const auto& engine : {every(hours(1), hours(1)), EngineConfig{}}) {
    stop_ = false;
    FakeWorkload workload;
    const auto begin = Clock::now();
    std::jthread stopper([&] {
      work_for(milliseconds(100));
      stop_ = true;
    });
    const auto result = run(workload, engine, {}, hours(1));
    EXPECT_LT(Clock::now() - begin, seconds(30));
    EXPECT_GE(workload.runs(), 1);
    EXPECT_EQ(result.unserved, 0U);
    EXPECT_GT(result.rate_hz, 0);
    EXPECT_EQ(result.error, "");
  }
}

TEST_F(RehearsalTriggerTest, AStopBeforeTheStartRunsNothing) {
  stop_ = true;
  for (const auto& engine : {every(milliseconds(10), milliseconds(10)), EngineConfig{}}) {
    FakeWorkload workload;
    const auto result = run(workload, engine, seconds(1), seconds(1));
    EXPECT_EQ(workload.runs(), 0);
    EXPECT_EQ(result.requests, 0U);
    EXPECT_EQ(result.rate_hz, 0);
  }
}

TEST_F(RehearsalTriggerTest, AnExceptionEndsTheEngineAndIsReported) {
  for (const auto& engine : {every(milliseconds(1), hours(1)), EngineConfig{}}) {
    FakeWorkload workload([](int number) {
      if (number == 2) throw std::runtime_error("out of luck");
    });
    const auto result = run(workload, engine, {}, hours(1));
    EXPECT_EQ(workload.runs(), 3);
    EXPECT_EQ(result.requests - result.skipped, 2U);
    EXPECT_EQ(result.error, "out of luck");
  }
}

TEST_F(RehearsalTriggerTest, SpansAreKeptOnlyForATrace) {
  for (const bool trace : {false, true}) {
    FakeWorkload workload;
    const auto result = run(workload, every(milliseconds(1), hours(1)), {}, milliseconds(20), trace);
    ASSERT_EQ(result.spans.size(), trace ? 20U - result.skipped : 0U);
    for (const auto& span : result.spans) {
      EXPECT_LE(span.scheduled, span.start);
      EXPECT_LE(span.start, span.end);
    }
  }
}

TEST_F(RehearsalTriggerTest, RandomArrivalsAreReproducible) {
  auto engine = every(milliseconds(2), seconds(10));
  engine.name = "policy";
  engine.arrivals = Arrivals::poisson;
  std::vector<std::vector<Nanoseconds>> scheduled;
  for (int turn = 0; turn < 2; ++turn) {
    FakeWorkload workload;
    const auto result = run(workload, engine, {}, milliseconds(500), /*trace=*/true);
    auto& arrivals = scheduled.emplace_back();
    for (const auto& span : result.spans) arrivals.push_back(span.scheduled);
  }
  EXPECT_EQ(scheduled[0], scheduled[1]);
  const auto count = scheduled[0].size();
  EXPECT_GT(count, 200U);  // 250 on average; the standard deviation is 16
  EXPECT_LT(count, 300U);
  std::set<Nanoseconds> intervals;
  for (std::size_t i = 1; i < count; ++i) intervals.insert(scheduled[0][i] - scheduled[0][i - 1]);
  EXPECT_GT(intervals.size(), count / 2);
}

TEST_F(RehearsalTriggerTest, UrgentArrivalsAreAnnounced) {
  const auto early = std::chrono::microseconds(50);
  timetable_.early = early;
  for (const auto arrivals : {Arrivals::periodic, Arrivals::poisson}) {
    auto engine = every(milliseconds(10), seconds(10));
    engine.arrivals = arrivals;
    FakeWorkload workload([](int) { work_for(milliseconds(3)); });
    const auto result = run(workload, engine, {}, milliseconds(200), /*trace=*/true);
    const auto& from = workload.expected();
    ASSERT_EQ(from.size(), static_cast<std::size_t>(workload.runs()));
    ASSERT_EQ(from.size(), result.spans.size());
    for (std::size_t i = 0; i < from.size(); ++i)
      EXPECT_EQ(from[i], timetable_.measure + result.spans[i].scheduled -
                             (arrivals == Arrivals::poisson ? Nanoseconds(0) : early));
  }
  EngineConfig best_effort;
  FakeWorkload other([](int) { work_for(milliseconds(1)); });
  (void)run(other, best_effort, {}, milliseconds(20));
  EXPECT_TRUE(other.expected().empty());
}

TEST_F(RehearsalTriggerTest, ARequestIsAnnouncedDuringTheFormerOne) {
  auto engine = every(milliseconds(5), seconds(10));
  FakeWorkload* running = nullptr;
  std::vector<std::size_t> announced;
  FakeWorkload workload([&](int) {
    announced.push_back(running->expected().size());
    work_for(milliseconds(2));
  });
  running = &workload;
  (void)run(workload, engine, {}, milliseconds(50));
  ASSERT_GT(announced.size(), 2U);
  for (std::size_t i = 0; i + 2 < announced.size(); ++i) EXPECT_EQ(announced[i], i + 2);
}

}  // namespace
}  // namespace greenlane::runtime

#include "runtime/serving/served_engine.hpp"

#include "support/matchers.hpp"
#include "support/serving.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <stdexcept>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using Reason = RequestError::Reason;

class ServedEngineTest : public ::testing::Test {
 protected:
  static std::unique_ptr<ServedEngine> served(ServingOptions options = {}) {
    options.name = "policy";
    return std::make_unique<ServedEngine>(std::make_shared<FunctionWorkload>(), std::move(options));
  }
  static RunFigures figures(const ServedEngine& engine) { return stats(engine).figures; }
  static EngineStats stats(const ServedEngine& engine) {
    EngineStats stats;
    engine.fill(stats, Clock::now());
    return stats;
  }
  static RequestTimes now() { return {.arrival = Clock::now()}; }
  // Returns why a request was not run.
  static Reason reason_of(const Request& request) {
    try {
      request.wait();
    } catch (const RequestError& error) {
      return error.reason();
    } catch (...) {
    }
    ADD_FAILURE() << "it did not end with a RequestError";
    return {};
  }
  template <typename Act>
  static Reason reason_for(const Act& act) {
    try {
      act();
    } catch (const RequestError& error) {
      return error.reason();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }
};

TEST_F(ServedEngineTest, RequestsAreRunAndCounted) {
  const auto engine = served({.deadline = seconds(100)});
  int runs = 0;
  for (int i = 0; i < 3; ++i) engine->submit(work([&] { ++runs; }), now())->wait();
  EXPECT_EQ(runs, 3);
  const auto counted = figures(*engine);
  EXPECT_EQ(counted.runs, 3U);
  EXPECT_EQ(counted.misses, 0U);
  EXPECT_EQ(counted.whole.count, 3U);
  EXPECT_GT(counted.whole.max.count(), 0);
}

// Runs works together: a work fails alone if its function throws.
class BatchWorkload final : public FunctionWorkload {
 public:
  std::int64_t run(std::span<Work* const> batch) override {
    for (auto* work : batch) {
      try {
        FunctionWorkload::run(*work);
      } catch (...) {
        work->error = std::current_exception();
      }
    }
    sizes.push_back(batch.size());
    return 4;
  }
  std::vector<std::size_t> sizes;
};

TEST_F(ServedEngineTest, RequestsOfARunEndEachWithItsOwnResult) {
  const auto workload = std::make_shared<BatchWorkload>();
  ServedEngine engine(workload, {.name = "policy", .batches = BatchLimits{.rows = 3, .delay = std::chrono::hours(1)}});
  const auto good = engine.submit(work(), now());
  const auto bad = engine.submit(work([] { throw std::runtime_error("no luck"); }), now());
  const auto other = engine.submit(work(), now());
  EXPECT_NO_THROW(good->wait());
  EXPECT_THROW(bad->wait(), std::runtime_error);
  EXPECT_NO_THROW(other->wait());
  EXPECT_THAT(workload->sizes, ::testing::ElementsAre(3U));
  const auto counted = figures(engine);
  EXPECT_EQ(counted.runs, 2U);
  EXPECT_EQ(counted.failed, 1U);
  EXPECT_EQ(counted.batches, 1U);
  EXPECT_EQ(counted.batch_rows, 3U);
  EXPECT_EQ(counted.padding_rows, 1U);
}

TEST_F(ServedEngineTest, ARequestThatIsLateLeavesItsRun) {
  const auto workload = std::make_shared<BatchWorkload>();
  ServedEngine engine(workload, {.name = "policy", .batches = BatchLimits{.rows = 3, .delay = std::chrono::hours(1)}});
  auto late = now();
  late.arrival -= seconds(2);
  const auto good = engine.submit(work(), now());
  const auto other = engine.submit(work(), now());
  late.deadline = seconds(1);
  const auto dropped = engine.submit(work(), late);
  EXPECT_NO_THROW(good->wait());
  EXPECT_NO_THROW(other->wait());
  EXPECT_EQ(reason_of(*dropped), Reason::expired);
  EXPECT_THAT(workload->sizes, ::testing::ElementsAre(2U));
}

TEST_F(ServedEngineTest, ATenantsLimitsRefuseRequestsUntilOthersBegin) {
  const auto alice = std::make_shared<Tenant>(TenantOptions{.name = "alice", .waiting = 1, .rate_hz = {}});
  const auto engine = served({.tenant = alice});
  Door door;
  const auto running = engine->submit(work([&] { door.wait(); }), now());
  door.await_visitor();
  const auto waiting = engine->submit(work(), now());
  EXPECT_EQ(reason_for([&] { (void)engine->submit(work(), now()); }), Reason::queue_full);
  EXPECT_EQ(figures(*engine).rejected, 1U);
  EXPECT_TRUE(engine->cancel(*waiting));
  const auto next = engine->submit(work(), now());
  door.open();
  EXPECT_NO_THROW(next->wait());
  EXPECT_EQ(alice->waiting(), 0U);
  EXPECT_GT(alice->busy().count(), 0);
}

TEST_F(ServedEngineTest, ARequestThatIsRefusedCopiesNothing) {
  const auto engine = served({.capacity = 1});
  Door door;
  const auto running = engine->submit(work([&] { door.wait(); }), now());
  door.await_visitor();
  const auto waiting = engine->submit(work(), now());
  int made = 0;
  const auto make = [&] {
    ++made;
    return work();
  };
  EXPECT_EQ(reason_for([&] { (void)engine->submit_made(make, now()); }), Reason::queue_full);
  EXPECT_EQ(made, 0);
  door.open();
  waiting->wait();
  engine->submit_made(make, now())->wait();
  EXPECT_EQ(made, 1);
}

TEST_F(ServedEngineTest, AnErrorReachesItsCallerAndTheEngineGoesOn) {
  const auto engine = served();
  const auto bad = engine->submit(work([] { throw std::runtime_error("no luck"); }), now());
  EXPECT_THROW(bad->wait(), std::runtime_error);
  EXPECT_NO_THROW(engine->submit(work(), now())->wait());
  EXPECT_THROW(engine->call([]() -> int { throw std::runtime_error("no luck"); }), std::runtime_error);
  EXPECT_EQ(engine->call([] { return 7; }), 7);
  const auto counted = figures(*engine);
  EXPECT_EQ(counted.failed, 2U);
  EXPECT_EQ(counted.runs, 2U);
  EXPECT_EQ(stats(*engine).error, "");
}

TEST_F(ServedEngineTest, AnEngineThatStopsOnErrorsRefusesTheRest) {
  const auto engine = served({.stops_on_error = true});
  Door door;
  const auto bad = engine->submit(work([&] {
                                    door.wait();
                                    throw std::runtime_error("no luck");
                                  }),
                                  now());
  const auto waiting = engine->submit(work(), now());
  door.open();
  EXPECT_THROW(bad->wait(), std::runtime_error);
  EXPECT_EQ(reason_of(*waiting), Reason::stopped);
  EXPECT_THAT([&] { (void)engine->submit(work(), now()); },
              refuses<RequestError>("'policy'", "no luck", "open it again"));
  EXPECT_EQ(reason_for([&] { (void)engine->call([] { return 0; }); }), Reason::stopped);
  EXPECT_EQ(stats(*engine).error, "no luck");
}

TEST_F(ServedEngineTest, AWrongCallNeitherCountsNorStopsTheEngine) {
  const auto engine = served({.stops_on_error = true});
  const auto wrong = []() -> int { throw std::runtime_error("wrong inputs"); };
  EXPECT_THROW(engine->call(wrong, [] { return true; }), std::runtime_error);
  EXPECT_EQ(engine->call([] { return 7; }), 7);
  EXPECT_EQ(figures(*engine).failed, 0U);
  EXPECT_THROW(engine->call(wrong, [] { return false; }), std::runtime_error);
  EXPECT_EQ(reason_for([&] { (void)engine->call([] { return 0; }); }), Reason::stopped);
}

TEST_F(ServedEngineTest, AFullQueueRejectsAtOnce) {
  const auto engine = served({.capacity = 1});
  Door door;
  const auto first = engine->submit(work([&] { door.wait(); }), now());
  door.await_visitor();
  const auto second = engine->submit(work(), now());
  EXPECT_EQ(reason_for([&] { (void)engine->submit(work(), now()); }), Reason::queue_full);
  EXPECT_EQ(stats(*engine).queued, 1U);
  EXPECT_EQ(figures(*engine).rejected, 1U);
  door.open();
  EXPECT_NO_THROW(second->wait());
}

TEST_F(ServedEngineTest, ARequestThatIsLateBeforeItBeginsIsDroppedUnlessAskedOtherwise) {
  std::vector<Miss> misses;
  std::mutex mutex;
  const auto engine = served({.on_miss = [&](const Miss& miss) {
    const std::scoped_lock lock(mutex);
    misses.push_back(miss);
  }});
  Door door;
  const auto first = engine->submit(work([&] { door.wait(); }), now());
  bool was_run = false;
  const auto dropped =
      engine->submit(work([&] { was_run = true; }), {.arrival = Clock::now(), .deadline = milliseconds(1)});
  const auto kept =
      engine->submit(work(), {.arrival = Clock::now(), .deadline = milliseconds(1), .drop_if_late = false});
  std::this_thread::sleep_for(milliseconds(10));
  door.open();
  EXPECT_EQ(reason_of(*dropped), Reason::expired);
  EXPECT_FALSE(was_run);
  EXPECT_NO_THROW(kept->wait());
  const auto counted = figures(*engine);
  EXPECT_EQ(counted.dropped, 1U);
  EXPECT_EQ(counted.misses, 2U);
  EXPECT_EQ(counted.runs, 2U);
  const std::scoped_lock lock(mutex);
  ASSERT_EQ(misses.size(), 2U);
  EXPECT_EQ(misses[0].kind, Miss::Kind::dropped);
  EXPECT_EQ(misses[0].engine, "policy");
  EXPECT_EQ(misses[1].kind, Miss::Kind::late);
  EXPECT_GT(misses[1].latency, misses[1].deadline);
}

TEST_F(ServedEngineTest, ACancelledRequestIsNotRun) {
  const auto engine = served();
  Door door;
  const auto first = engine->submit(work([&] { door.wait(); }), now());
  bool was_run = false;
  const auto second = engine->submit(work([&] { was_run = true; }), now());
  EXPECT_TRUE(engine->cancel(*second));
  EXPECT_FALSE(engine->cancel(*second));
  door.await_visitor();
  EXPECT_FALSE(engine->cancel(*first)) << "a run under way was cancelled";
  door.open();
  first->wait();
  EXPECT_EQ(reason_of(*second), Reason::cancelled);
  EXPECT_EQ(figures(*engine).cancelled, 1U);
  engine->run_on_thread([] {});
  EXPECT_FALSE(was_run);
}

TEST_F(ServedEngineTest, CloseCancelsWhatWaitsAndLetsTheRestEnd) {
  auto engine = served();
  Door door;
  const auto first = engine->submit(work([&] { door.wait(); }), now());
  door.await_visitor();
  const auto second = engine->submit(work(), now());
  engine->refuse();
  EXPECT_EQ(reason_of(*second), Reason::cancelled);
  EXPECT_EQ(reason_for([&] { (void)engine->submit(work(), now()); }), Reason::closed);
  EXPECT_EQ(reason_for([&] { (void)engine->call([] { return 0; }); }), Reason::closed);
  door.open();
  EXPECT_TRUE(engine->close(Clock::now() + seconds(30)));
  EXPECT_NO_THROW(first->wait());
}

TEST_F(ServedEngineTest, CloseWaitsForCalls) {
  const auto engine = served();
  Door door;
  std::atomic<bool> began{false};
  std::jthread caller([&] {
    (void)engine->call([&] {
      began = true;
      door.wait();
      return 0;
    });
  });
  while (!began) std::this_thread::yield();
  engine->refuse();
  EXPECT_FALSE(engine->close(Clock::now() + milliseconds(20)));
  door.open();
  caller.join();
  EXPECT_TRUE(engine->close(Clock::now() + seconds(30)));
}

TEST_F(ServedEngineTest, ARunThatDoesNotEndFailsAtClose) {
  const auto door = std::make_shared<Door>();
  auto engine = served();
  const auto first = engine->submit(work([door] { door->wait(); }), now());
  door->await_visitor();
  engine->refuse();
  EXPECT_FALSE(engine->close(Clock::now() + milliseconds(20)));
  EXPECT_THROW(first->wait(), EngineError);
  engine.reset();
  door->open();
}

TEST_F(ServedEngineTest, AHangingRunFailsWithAllThatWaits) {
  const auto door = std::make_shared<Door>();
  auto engine = served({.hang_after = milliseconds(50)});
  const auto first = engine->submit(work([door] { door->wait(); }), now());
  const auto second = engine->submit(work(), now());
  EXPECT_FALSE(engine->break_if_hanging(Clock::now()));
  while (!engine->break_if_hanging(Clock::now())) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_THAT([&] { first->wait(); }, refuses<EngineError>("'policy' did not finish", "hang_ms"));
  EXPECT_EQ(reason_of(*second), Reason::stopped);
  EXPECT_EQ(reason_for([&] { (void)engine->submit(work(), now()); }), Reason::stopped);
  EXPECT_THAT(stats(*engine).error, HasSubstr("hangs"));
  door->open();
  engine->run_on_thread([] {});
  EXPECT_EQ(figures(*engine).failed, 1U) << "the run was counted again when it ended after all";
  EXPECT_EQ(figures(*engine).runs, 0U);
}

TEST_F(ServedEngineTest, ATaskDoesNotWaitForAHangingRun) {
  const auto door = std::make_shared<Door>();
  auto engine = served({.hang_after = milliseconds(50)});
  const auto hanging = engine->submit(work([door] { door->wait(); }), now());
  door->await_visitor();
  std::optional<Reason> reason;
  std::jthread waiter([&] { reason = reason_for([&] { engine->run_if_serving([] {}); }); });
  while (!engine->break_if_hanging(Clock::now())) std::this_thread::sleep_for(milliseconds(5));
  waiter.join();
  EXPECT_EQ(reason, Reason::stopped);
  door->open();
}

}  // namespace
}  // namespace greenlane::runtime

#include "runtime/serving/engine_thread.hpp"

#include "support/serving.hpp"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

void serve(const EngineThread::Requests& requests) {
  for (const auto& request : requests) {
    if (!request->begin()) continue;
    static_cast<FunctionWork&>(request->work())();
    request->end();
  }
}

// Runs at given times.
class Times final : public Trigger {
 public:
  explicit Times(std::vector<Clock::time_point> times, std::function<void()> run = {})
      : times_(std::move(times)), run_(std::move(run)) {}
  std::optional<Clock::time_point> next() override {
    return done_ < times_.size() ? std::optional(times_[done_]) : std::nullopt;
  }
  void run(Clock::time_point start) override {
    EXPECT_GE(start, times_[done_]);
    ++done_;
    if (run_) run_();
  }
  [[nodiscard]] std::size_t done() const { return done_; }

 private:
  std::vector<Clock::time_point> times_;
  std::function<void()> run_;
  std::size_t done_ = 0;
};

TEST(EngineThread, TasksRequestsAndTriggersUseTheSameThread) {
  std::vector<std::thread::id> ids;
  const auto note = [&] { ids.push_back(std::this_thread::get_id()); };
  EngineThread thread("a", serve);
  thread.run(note);
  const auto one = request(note);
  ASSERT_TRUE(thread.push(one, 1));
  one->wait();
  thread.start(std::make_shared<Times>(std::vector{Clock::now()}, note), {});
  ASSERT_TRUE(thread.wait_for_trigger(seconds(30)));
  ASSERT_EQ(ids.size(), 3U);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_NE(ids[0], std::this_thread::get_id());
}

TEST(EngineThread, RequestsThatComeWithinTheDelayRunTogether) {
  std::vector<std::size_t> runs;
  EngineThread thread(
      "a",
      [&](const EngineThread::Requests& requests) {
        runs.push_back(requests.size());
        serve(requests);
      },
      BatchLimits{.rows = 3, .delay = hours(1)});
  std::vector<std::shared_ptr<Request>> all;
  for (int i = 0; i < 6; ++i) all.push_back(request());
  for (const auto& each : all) ASSERT_TRUE(thread.push(each, 10));
  for (const auto& each : all) each->wait();
  EXPECT_THAT(runs, ElementsAre(3U, 3U));
}

TEST(EngineThread, ARunThatIsNotFullBeginsWhenItsDelayIsOver) {
  EngineThread thread("a", serve, BatchLimits{.rows = 3, .delay = milliseconds(20)});
  const auto alone = request();
  ASSERT_TRUE(thread.push(alone, 10));
  alone->wait();
  EXPECT_GE(Clock::now() - alone->times().arrival, milliseconds(20));
}

TEST(EngineThread, TriggersRunWhileRequestsWaitForOthers) {
  EngineThread thread("a", serve, BatchLimits{.rows = 3, .delay = hours(1)});
  const auto waiting = request();
  ASSERT_TRUE(thread.push(waiting, 10));
  const auto times = std::make_shared<Times>(std::vector{Clock::now() + milliseconds(5)});
  thread.start(times, {});
  ASSERT_TRUE(thread.wait_for_trigger(seconds(30)));
  EXPECT_EQ(times->done(), 1U);
  EXPECT_FALSE(waiting->has_ended());
  thread.forget(*waiting);
}

TEST(EngineThread, EnginesWithTurnsRunOneAtATimeByTheirWeights) {
  const auto turns = std::make_shared<FairTurns>();
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::array<std::atomic<int>, 2> runs{};
  std::vector<std::unique_ptr<EngineThread>> threads;
  for (const auto* tenant : {"a", "b"}) {
    threads.push_back(std::make_unique<EngineThread>(tenant, serve));
    threads.back()->take_turns(turns, tenant, *tenant == 'a' ? 3 : 1);
  }
  Door door;
  std::vector<std::shared_ptr<Request>> all;
  const auto run = [&](std::size_t who) {
    most = std::max(most.load(), ++inside);
    std::this_thread::sleep_for(milliseconds(2));
    --inside;
    // Counts while both have more to run.
    if (runs[0] + runs[1] < 80) ++runs[who];
  };
  const auto push = [&](std::size_t who, std::function<void()> work) {
    all.push_back(request(std::move(work)));
    ASSERT_TRUE(threads[who]->push(all.back(), 1000));
  };
  push(0, [&] { door.wait(); });
  door.await_visitor();
  for (int i = 0; i < 90; ++i) {
    push(0, [&] { run(0); });
    push(1, [&] { run(1); });
  }
  door.open();
  for (const auto& each : all) each->wait();
  EXPECT_EQ(most, 1);
  EXPECT_NEAR(runs[0], 60, 4);
  EXPECT_NEAR(runs[1], 20, 4);
}

TEST(EngineThread, ARequestThatIsForgottenLeavesItsTurnToOthers) {
  const auto turns = std::make_shared<FairTurns>();
  EngineThread one("a", serve);
  EngineThread other("b", serve);
  one.take_turns(turns, "a", 1);
  other.take_turns(turns, "b", 1);
  Door door;
  const auto holds = request([&] { door.wait(); });
  ASSERT_TRUE(one.push(holds, 10));
  door.await_visitor();
  const auto forgotten = request();
  ASSERT_TRUE(other.push(forgotten, 10));
  std::this_thread::sleep_for(milliseconds(5));
  other.forget(*forgotten);
  door.open();
  holds->wait();
  for (int i = 0; i < 3; ++i) {
    const auto next = request();
    ASSERT_TRUE(one.push(next, 10));
    next->wait();
  }
  const auto last = request();
  ASSERT_TRUE(other.push(last, 10));
  last->wait();
}

TEST(EngineThread, ATasksErrorReachesTheCaller) {
  EngineThread thread("a", serve);
  EXPECT_THROW(thread.run([] { throw std::runtime_error("no"); }), std::runtime_error);
  bool ran = false;
  thread.run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(EngineThread, RequestsAreServedInTheirOrder) {
  std::vector<int> order;
  Door door;
  EngineThread thread("a", serve);
  std::vector<std::shared_ptr<Request>> all{request([&] { door.wait(); })};
  for (int i = 0; i < 5; ++i) all.push_back(request([&, i] { order.push_back(i); }));
  for (const auto& each : all) ASSERT_TRUE(thread.push(each, 10));
  door.open();
  for (const auto& each : all) each->wait();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(EngineThread, AFullQueueTakesNoMore) {
  Door door;
  EngineThread thread("a", serve);
  const auto first = request([&] { door.wait(); });
  ASSERT_TRUE(thread.push(first, 2));
  while (thread.under_way() != EngineThread::Requests{first}) std::this_thread::yield();
  EXPECT_TRUE(thread.push(request(), 2));
  const auto second = request();
  EXPECT_TRUE(thread.push(second, 2));
  EXPECT_EQ(thread.queued(), 2U);
  EXPECT_FALSE(thread.push(request(), 2));
  thread.forget(*second);
  EXPECT_EQ(thread.queued(), 1U);
  EXPECT_TRUE(thread.push(request(), 2)) << "a request that was taken back still has its place";
  EXPECT_EQ(thread.take_queued().size(), 2U);
  EXPECT_EQ(thread.queued(), 0U);
  door.open();
}

TEST(EngineThread, RequestsAndTicksFollowTheirTimes) {
  std::vector<std::string> order;
  Door door;
  EngineThread thread("a", serve);
  const auto gate = request([&] { door.wait(); });
  ASSERT_TRUE(thread.push(gate, 10));
  while (thread.under_way() != EngineThread::Requests{gate}) std::this_thread::yield();
  const auto now = Clock::now();
  const auto early = request([&] { order.emplace_back("early"); }, {.arrival = now - seconds(2)});
  const auto late = request([&] { order.emplace_back("late"); }, {.arrival = now});
  ASSERT_TRUE(thread.push(early, 10));
  ASSERT_TRUE(thread.push(late, 10));
  thread.start(std::make_shared<Times>(std::vector{now - seconds(1)}, [&] { order.emplace_back("tick"); }), {});
  door.open();
  late->wait();
  EXPECT_THAT(order, ElementsAre("early", "tick", "late"));
}

TEST(EngineThread, ARequestIsServedWhileTheTriggerWaitsOrSpins) {
  for (const auto spin : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(hours(2))}) {
    EngineThread thread("a", serve);
    thread.start(std::make_shared<Times>(std::vector{Clock::now() + hours(1)}), spin);
    const auto one = request();
    ASSERT_TRUE(thread.push(one, 1));
    EXPECT_TRUE(one->wait_for(seconds(30)));
  }
}

TEST(EngineThread, AStopWaitsForTheRunThatIsUnderWay) {
  Door door;
  std::atomic<bool> began{false};
  std::atomic<bool> ended{false};
  EngineThread thread("a", serve);
  thread.start(std::make_shared<Times>(std::vector{Clock::now(), Clock::now()},
                                       [&] {
                                         began = true;
                                         door.wait();
                                         ended = true;
                                       }),
               {});
  while (!began) std::this_thread::yield();
  EXPECT_FALSE(thread.stop(Clock::now() + milliseconds(10))) << "it did not say that a run is under way";
  EXPECT_FALSE(ended);
  EXPECT_GT(thread.busy_for(Clock::now()), milliseconds(0));
  door.open();
  EXPECT_TRUE(thread.stop(Clock::time_point::max()));
  EXPECT_TRUE(ended);
  EXPECT_EQ(thread.busy_for(Clock::now()), milliseconds(0));
  EXPECT_TRUE(thread.wait_for_trigger(seconds(30)));
}

TEST(EngineThread, AClosedThreadTakesNothing) {
  EngineThread thread("a", serve);
  EXPECT_TRUE(thread.close(Clock::now() + seconds(30)));
  EXPECT_FALSE(thread.push(request(), 1));
  EXPECT_THROW(thread.run([] {}), RequestError);
  EXPECT_TRUE(thread.close(Clock::now()));
}

TEST(EngineThread, AThreadThatDoesNotEndIsLeftAlone) {
  const auto door = std::make_shared<Door>();
  const auto one = request([door] { door->wait(); });
  {
    EngineThread thread("a", serve);
    ASSERT_TRUE(thread.push(one, 1));
    while (thread.under_way().empty()) std::this_thread::yield();
    EXPECT_FALSE(thread.close(Clock::now() + milliseconds(20)));
  }
  EXPECT_FALSE(one->has_ended());
  door->open();
  EXPECT_TRUE(one->wait_for(seconds(30))) << "the thread could not finish after its owner was gone";
}

}  // namespace
}  // namespace greenlane::runtime

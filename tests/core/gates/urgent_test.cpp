#include "support/fake_driver_test.hpp"

#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

namespace greenlane {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

class UrgentTest : public fake::FakeDriverTest {
 protected:
  UrgentTest() { gate_->reset_report(); }
  bool is_open() { return gate_->is_open(lane_.unit_set()); }

  Device device_ = gpu();
  Lane lane_ = Lane::create(device_.partition("lane", 16));
  std::shared_ptr<Gate> gate_ = Gate::of(device_);
  UrgentEngine engine_{device_, seconds(1)};
};

TEST_F(UrgentTest, AnUrgentCallClosesTheGateUntilItIsDone) {
  {
    auto call = engine_.enter(lane_.unit_set());
    EXPECT_FALSE(is_open());
    call.enqueued(lane_.stream());
  }
  EXPECT_FALSE(is_open());
  fake_.set_events_done(true);
  EXPECT_TRUE(is_open());
  EXPECT_EQ(gate_->report().passes, 1U);
}

TEST_F(UrgentTest, ACallThatThrowsOpensTheGate) {
  try {
    const auto call = engine_.enter(lane_.unit_set());
    throw std::runtime_error("between closing and launching");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(is_open());
}

TEST_F(UrgentTest, TheGateStaysClosedUntilAllCallsAreDone) {
  for (int i = 0; i < 3; ++i) engine_.enter(lane_.unit_set()).enqueued(lane_.stream());
  EXPECT_FALSE(is_open());
  fake_.set_events_done(true);
  EXPECT_TRUE(is_open());
  const auto before = fake_.live().events;
  for (int i = 0; i < 10; ++i) {
    engine_.enter(lane_.unit_set()).enqueued(lane_.stream());
    EXPECT_TRUE(is_open());
  }
  EXPECT_EQ(fake_.live().events, before) << "the calls made new events instead of reusing them";
}

TEST_F(UrgentTest, ADriverFailureOpensTheGate) {
  {
    auto call = engine_.enter(lane_.unit_set());
    fake_.fail(1);
    EXPECT_THROW(call.enqueued(lane_.stream()), DriverError);
    fake_.fail(0);
  }
  EXPECT_TRUE(is_open());
  auto call = engine_.enter(lane_.unit_set());
  call.enqueued(lane_.stream());
  fake_.fail_from(1);
  EXPECT_TRUE(is_open()) << "the gate stays closed for a lost device";
  fake_.fail(0);
}

TEST_F(UrgentTest, AnExpectedCallClosesTheGateBeforeItBegins) {
  engine_.expect(lane_.unit_set());
  EXPECT_FALSE(is_open());
  fake_.set_events_done(true);
  EXPECT_FALSE(is_open());
  engine_.enter(lane_.unit_set()).enqueued(lane_.stream());
  EXPECT_TRUE(is_open());
}

TEST_F(UrgentTest, AnExpectedCallClosesTheGateAtItsTime) {
  engine_.expect(lane_.unit_set(), Gate::Clock::now() + hours(1));
  EXPECT_TRUE(is_open());
  fake_.set_events_done(true);
  engine_.enter(lane_.unit_set()).enqueued(lane_.stream());
  EXPECT_TRUE(is_open()) << "another call made the expected call due";
  engine_.expect(lane_.unit_set(), Gate::Clock::now() + milliseconds(2));
  (void)is_open();
  std::this_thread::sleep_for(milliseconds(3));
  EXPECT_FALSE(is_open());
}

TEST_F(UrgentTest, EachCallConsumesOneExpectation) {
  fake_.set_events_done(true);
  for (int i = 0; i < 3; ++i) engine_.expect(lane_.unit_set());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(is_open()) << "the gate is open between the calls of a backlog";
    engine_.enter(lane_.unit_set()).enqueued(lane_.stream());
  }
  EXPECT_TRUE(is_open());
}

TEST_F(UrgentTest, AnExpectationEndsWithItsEngine) {
  {
    UrgentEngine other(device_, hours(1));
    other.expect(lane_.unit_set());
    EXPECT_FALSE(is_open());
  }
  EXPECT_TRUE(is_open());
}

TEST_F(UrgentTest, ACallThatDoesNotEndHoldsItForFiveDeadlines) {
  constexpr milliseconds kDeadline{2};
  UrgentEngine stuck(device_, kDeadline);
  const auto begin = Gate::Clock::now();
  stuck.enter(lane_.unit_set()).enqueued(lane_.stream());
  EXPECT_EQ(gate_->report().limits_hit, 0U);
  (void)gate_->wait(lane_.unit_set(), GateWait::block);
  EXPECT_GE(Gate::Clock::now() - begin, 5 * kDeadline);
  EXPECT_EQ(gate_->report().limits_hit, 1U);
}

TEST_F(UrgentTest, ADeviceHasOneGate) { EXPECT_EQ(Gate::of(gpu()), gate_); }

constexpr int kUntilDecided = 1000;  // calls after which each short one has its way

// Urgent calls of some length beside best-effort work with 100 us in flight.
class ShortUrgentTest : public UrgentTest {
 protected:
  ShortUrgentTest() {
    fake_.set_events_done(true);
    work_->set_in_flight(microseconds(100));
    gate_->join(work_);
  }
  // Launches a kernel that runs for that time.
  void launch(microseconds time) {
    auto kernel = kernels_.find(time);
    if (kernel == kernels_.end()) {
      fake_.set_node_time(time);
      kernel = kernels_.emplace(time, Graph::capture(lane_, [this] { fake_.mark(lane_.stream()); })).first;
    }
    kernel->second.launch(lane_.stream());
  }
  // Makes a call that takes `time`, or `beside` if it passes beside the work. Returns whether it held the work.
  bool call(microseconds time, microseconds beside) {
    auto call = engine_.enter(lane_.unit_set(), lane_.stream());
    const bool is_held = !gate_->is_open(lane_.unit_set(), work_.get());
    work_->note_launch(Gate::Clock::now());
    launch(is_held ? time : beside);
    call.enqueued(lane_.stream());
    EXPECT_TRUE(gate_->is_open(lane_.unit_set())) << "the call is done";
    return is_held;
  }
  // Makes calls. Returns how many of them held the work.
  int held(int calls, microseconds time, microseconds beside) {
    int count = 0;
    for (int i = 0; i < calls; ++i) count += call(time, beside) ? 1 : 0;
    return count;
  }
  bool is_expected_call_held() {
    engine_.expect(lane_.unit_set());
    const bool is_held = !gate_->is_open(lane_.unit_set(), work_.get());
    (void)engine_.enter(lane_.unit_set());
    return is_held;
  }

  std::shared_ptr<GatedWork> work_ = std::make_shared<GatedWork>(lane_.unit_set());
  static constexpr milliseconds kTooLong{110};  // over a tenth of the deadline
  std::map<microseconds, Graph> kernels_;       // by the time that each runs
};

TEST_F(ShortUrgentTest, ALongCallAlwaysHolds) {
  EXPECT_EQ(held(kUntilDecided, 250us, 250us), kUntilDecided);
  EXPECT_TRUE(is_expected_call_held());
}

TEST_F(ShortUrgentTest, AShortCallEndsUpBesideAndIsNotAwaited) {
  EXPECT_TRUE(is_expected_call_held()) << "its length is not known yet";
  EXPECT_GT(held(kUntilDecided, 50us, 50us), 64);
  EXPECT_EQ(held(100, 50us, 50us), 0);
  EXPECT_FALSE(is_expected_call_held());
  EXPECT_EQ(gate_->report().limits_hit, 0U);
}

TEST_F(ShortUrgentTest, AShortCallGoesOnHoldingWorkThatDelaysIt) {
  (void)held(kUntilDecided, 30us, kTooLong);
  EXPECT_EQ(held(50, 30us, kTooLong), 50);
  EXPECT_FALSE(is_expected_call_held()) << "the gate closes ahead of a call that is shorter than the slices in flight";
}

TEST_F(ShortUrgentTest, WorkForWhichACallIsLongDoesNotKeepTheOtherWorkFromLearning) {
  const auto fine = std::make_shared<GatedWork>(lane_.unit_set());
  fine->set_in_flight(microseconds(10));
  gate_->join(fine);
  for (int i = 0; i < kUntilDecided; ++i) {
    fine->note_launch(Gate::Clock::now() + hours(1));  // it launches all the time
    (void)call(50us, kTooLong);                        // calls beside take longer
  }
  EXPECT_EQ(held(50, 50us, kTooLong), 50) << "calls pass beside work that delays them";
}

TEST_F(ShortUrgentTest, WorkThatJoinsLaterIsDecidedToo) {
  (void)held(kUntilDecided, 50us, 50us);
  const auto later = std::make_shared<GatedWork>(lane_.unit_set());
  later->set_in_flight(microseconds(100));
  gate_->join(later);
  later->note_launch(Gate::Clock::now() + hours(1));  // it launches all the time
  (void)held(kUntilDecided, 50us, 50us);
  const auto passed = gate_->report().beside;
  const auto call = engine_.enter(lane_.unit_set(), lane_.stream());
  EXPECT_TRUE(gate_->is_open(lane_.unit_set(), later.get()));
  EXPECT_EQ(gate_->report().beside, passed + 1);
}

TEST_F(ShortUrgentTest, CallsThatDifferInTurnsAreNotTriedInTurns) {
  // Each second call takes longer, whichever way it goes.
  for (int i = 0; i < kUntilDecided; ++i) (void)call(30us + 60us * (i % 2), 30us + 60us * (i % 2));
  EXPECT_EQ(held(50, 50us, 50us), 0);
}

TEST_F(ShortUrgentTest, IdleWorkTeachesNothingAndCostsNothing) {
  (void)held(40, 50us, 50us);
  work_->note_launch(Gate::Clock::now() - hours(1));
  const auto records = fake_.calls_of("cuEventRecord");
  for (int i = 0; i < 20; ++i) {
    auto call = engine_.enter(lane_.unit_set(), lane_.stream());
    call.enqueued(lane_.stream());
    (void)gate_->is_open(lane_.unit_set());
  }
  EXPECT_EQ(fake_.calls_of("cuEventRecord"), records + 20) << "calls beside idle work are timed";
}

TEST_F(ShortUrgentTest, OtherUnitsBeginTheMeasurementAnew) {
  (void)held(kUntilDecided, 50us, 50us);
  const auto other = Lane::create(device_.partition("other", 8));
  const auto there = std::make_shared<GatedWork>(other.unit_set());
  there->set_in_flight(microseconds(100));
  gate_->join(there);
  auto first = engine_.enter(other.unit_set(), other.stream());
  EXPECT_FALSE(gate_->is_open(other.unit_set(), there.get()));
  first.enqueued(other.stream());
  (void)gate_->is_open(other.unit_set());
  engine_.expect(other.unit_set());
  EXPECT_FALSE(gate_->is_open(other.unit_set(), there.get())) << "its length there is not known yet";
  (void)engine_.enter(other.unit_set());
}

TEST_F(ShortUrgentTest, TheGateIsClosedAheadWhereSlicesInFlightTakeMuchOfTheDeadline) {
  UrgentEngine hasty(device_, microseconds(300));
  for (int i = 0; i < 100; ++i) {
    auto call = hasty.enter(lane_.unit_set(), lane_.stream());
    launch(10us);
    call.enqueued(lane_.stream());
    (void)gate_->is_open(lane_.unit_set());
  }
  hasty.expect(lane_.unit_set());
  EXPECT_FALSE(gate_->is_open(lane_.unit_set(), work_.get()));
  (void)hasty.enter(lane_.unit_set());
}

TEST_F(ShortUrgentTest, TimedCallsReuseTheirEventsAndThenAreNotTimed) {
  (void)held(10, 50us, 50us);
  const auto before = fake_.live().events;
  (void)held(kUntilDecided, 50us, 50us);
  EXPECT_EQ(fake_.live().events, before);
  const auto records = fake_.calls_of("cuEventRecord");
  (void)held(10, 50us, 50us);
  EXPECT_EQ(fake_.calls_of("cuEventRecord"), records + 10) << "decided calls are still timed";
}

TEST_F(ShortUrgentTest, NothingIsTimedWithoutBestEffort) {
  work_.reset();
  for (int i = 0; i < 5; ++i) engine_.enter(lane_.unit_set(), lane_.stream()).enqueued(lane_.stream());
  EXPECT_EQ(fake_.calls_of("cuEventRecord"), 5);
  EXPECT_TRUE(gate_->is_open(lane_.unit_set()));
}

}  // namespace
}  // namespace greenlane

#include "support/fake_driver_test.hpp"

#include <greenlane/detail/core/urgent.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace greenlane {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class UrgentTest : public fake::FakeDriverTest {
 protected:
  UrgentTest() { gate_->reset_report(); }
  bool is_open() { return gate_->is_open(lane_.unit_set()); }

  Device device_ = gpu();
  Lane lane_ = Lane::create(device_.partition("lane", 16));
  std::shared_ptr<Gate> gate_ = Gate::of(device_);
  UrgentEngine engine_{device_, hours(1)};
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

}  // namespace
}  // namespace greenlane

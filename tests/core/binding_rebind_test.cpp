#include "support/binding_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

namespace greenlane {
namespace {

using fake::happens_before;

class RebindTest : public fake::BindingTest {};

TEST_F(RebindTest, TheNewLaneWaitsForTheOldLanesWork) {
  binding_.set(policy_);
  const auto old_work = call(caller_);
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, TheNewLaneWaitsAlsoWithoutCrossingCalls) {
  binding_.set(policy_);
  const auto old_work = call(policy_.stream());
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(old_work, call(vision_.stream())));
}

TEST_F(RebindTest, ARebindOrdersOnlyOneCall) {
  binding_.set(policy_);
  call(policy_.stream());
  binding_.set(vision_);
  call(vision_.stream());
  fake_.clear_operations();
  call(vision_.stream());
  EXPECT_TRUE(fake_.operations().empty());
}

TEST_F(RebindTest, TheOrderHoldsAcrossAnUnusedLane) {
  const auto third = Lane::create(device_.partition("third", 8));
  binding_.set(policy_);
  const auto old_work = call(caller_);
  binding_.set(vision_);
  binding_.set(third);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, EveryCallerStreamWaitsForAClearedLane) {
  binding_.set(policy_);
  const auto old_work = call(policy_.stream());
  binding_.clear();
  EXPECT_TRUE(happens_before(old_work, call(caller_)));
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, TheNewLaneWaitsForWorkBeforeUnboundCalls) {
  binding_.set(policy_);
  const auto old_work = call(policy_.stream());
  binding_.clear();
  call(caller_);
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, ARebindBeforeTheFirstCallOrdersNothing) {
  binding_.set(policy_);
  binding_.set(vision_);
  binding_.clear();
  EXPECT_TRUE(fake_.operations().empty());
}

TEST_F(RebindTest, ARebindToTheSameLaneNeedsNoEvent) {
  binding_.set(policy_);
  call(policy_.stream());
  binding_.set(policy_);
  call(policy_.stream());
  EXPECT_TRUE(fake_.operations().empty());
}

TEST_F(RebindTest, TheNewLaneWaitsForAReleasedLane) {
  std::optional<Lane> gone = Lane::create(device_.partition("gone", 8));
  binding_.set(*gone);
  const auto old_work = call(gone->stream());
  gone.reset();
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, AFailedRebindLeavesTheBindingUnchanged) {
  binding_.set(policy_);
  const auto old_work = call(caller_);
  fake_.fail(1);
  EXPECT_THROW(binding_.set(vision_), DriverError);
  EXPECT_EQ(binding_.lane(), policy_);
  EXPECT_EQ(binding_.generation(), 1U);
  fake_.fail(0);
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

TEST_F(RebindTest, TheNextCallWaitsAfterAFailedWait) {
  binding_.set(policy_);
  const auto old_work = call(caller_);
  binding_.set(vision_);
  fake_.fail(1);
  EXPECT_THROW(call(other_caller_), DriverError);
  fake_.fail(0);
  EXPECT_TRUE(happens_before(old_work, call(other_caller_)));
}

// Tests of an engine, or of its plugin, that rebinds itself during its own call.
class ReentryTest : public fake::BindingTest {};

TEST_F(ReentryTest, ARebindInsideACallDoesNotDeadlock) {
  binding_.set(policy_);
  auto call = binding_.enter(caller_);
  binding_.set(vision_);
  EXPECT_EQ(binding_.lane(), vision_);
  EXPECT_EQ(call.stream(), policy_.stream()) << "the rebind moved a call that had begun";
  call.finish();
}

TEST_F(ReentryTest, WorkAfterARebindInsideACallIsOrdered) {
  binding_.set(policy_);
  fake::Work late;
  {
    auto call = binding_.enter(policy_.stream());
    binding_.set(vision_);
    late = fake_.mark(call.stream());
    call.finish();
  }
  EXPECT_TRUE(happens_before(late, call(other_caller_)));
}

TEST_F(ReentryTest, WorkAfterAClearInsideACallIsOrdered) {
  binding_.set(policy_);
  fake::Work late;
  {
    const auto call = binding_.enter(caller_);
    binding_.clear();
    late = fake_.mark(call.stream());
  }
  EXPECT_TRUE(happens_before(late, call(other_caller_)));
}

TEST_F(ReentryTest, WorkAfterTwoRebindsInsideACallIsOrdered) {
  binding_.set(policy_);
  fake::Work late;
  {
    auto call = binding_.enter(policy_.stream());
    binding_.set(vision_);
    binding_.set(policy_);
    late = fake_.mark(call.stream());
    call.finish();
  }
  binding_.set(vision_);
  EXPECT_TRUE(happens_before(late, call(other_caller_)));
}

TEST_F(ReentryTest, ACallInsideACallIsOrdered) {
  const auto third = Lane::create(device_.partition("third", 8));
  binding_.set(policy_);
  fake::Work inner;
  fake::Work late;
  {
    auto outer = binding_.enter(policy_.stream());
    binding_.set(vision_);
    inner = call(vision_.stream());
    binding_.set(third);
    late = fake_.mark(outer.stream());
    outer.finish();
  }
  const auto next = call(other_caller_);
  EXPECT_TRUE(happens_before(inner, next));
  EXPECT_TRUE(happens_before(late, next));
}

TEST_F(ReentryTest, ALaneLivesUntilItsLastCallEnds) {
  std::optional<Lane> lane = Lane::create(device_.partition("third", 8));
  binding_.set(*lane);
  auto call = binding_.enter(caller_);
  lane.reset();
  binding_.clear();
  EXPECT_NO_THROW(fake_.mark(call.stream()));
  call.finish();
}

class LockTest : public fake::BindingTest {
 protected:
  // Returns whether another thread can get at the binding within five seconds. A thread that cannot waits until the end
  // of the test.
  bool is_free() {
    waiting_.push_back(std::async(std::launch::async, [this] { return binding_.generation(); }));
    return waiting_.back().wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  }

 private:
  std::vector<std::future<std::uint64_t>> waiting_;
};

TEST_F(LockTest, FinishReleasesTheLock) {
  binding_.set(policy_);
  auto call = binding_.enter(caller_);
  call.finish();
  EXPECT_TRUE(is_free());
}

TEST_F(LockTest, UnboundCallsHoldNoLock) {
  const auto call = binding_.enter(caller_);
  EXPECT_TRUE(is_free());
}

TEST_F(LockTest, NoLockIsHeldWhileAnOwnerIsReleased) {
  // A Python object is released like this: the release waits for the interpreter while another thread waits for the
  // binding.
  std::shared_ptr<const void> keep_alive(static_cast<const void*>(this),
                                         [this](const void*) { EXPECT_TRUE(is_free()); });
  binding_.set(Lane::adopt(device_, other_caller_, {}, std::move(keep_alive)));
  auto call = binding_.enter(caller_);
  binding_.clear();
}

}  // namespace
}  // namespace greenlane

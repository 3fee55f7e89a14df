#include "support/binding_fixture.hpp"
#include "support/matchers.hpp"

#include <gtest/gtest.h>

namespace greenlane {
namespace {

using fake::happens_before;
using ::testing::IsEmpty;

class BindingTest : public fake::BindingTest {};

TEST_F(BindingTest, ANewBindingIsNotSet) {
  EXPECT_FALSE(binding_.is_set());
  EXPECT_EQ(binding_.lane(), std::nullopt);
  EXPECT_EQ(binding_.generation(), 0U);
  EXPECT_EQ(binding_.device(), device_);
}

TEST_F(BindingTest, SetAndClearIncreaseTheGeneration) {
  binding_.set(policy_);
  EXPECT_EQ(binding_.lane(), policy_);
  EXPECT_EQ(binding_.generation(), 1U);
  binding_.set(policy_);
  EXPECT_EQ(binding_.generation(), 2U);
  binding_.clear();
  EXPECT_FALSE(binding_.is_set());
  EXPECT_EQ(binding_.generation(), 3U);
}

TEST_F(BindingTest, UnboundWorkGoesToTheCallersStream) {
  const auto call = binding_.enter(caller_);
  EXPECT_EQ(call.stream(), caller_);
  EXPECT_FALSE(call.crosses());
  EXPECT_EQ(call.lane(), std::nullopt);
}

TEST_F(BindingTest, UnboundCallsNeedNoEvents) {
  call(caller_);
  EXPECT_THAT(fake_.operations(), IsEmpty());
  EXPECT_EQ(fake_.live().events, 0);
}

TEST_F(BindingTest, BoundWorkGoesToTheLane) {
  binding_.set(policy_);
  const auto call = binding_.enter(caller_);
  EXPECT_EQ(call.stream(), policy_.stream());
  EXPECT_TRUE(call.crosses());
  EXPECT_EQ(call.lane(), policy_);
}

TEST_F(BindingTest, ACallFromTheLanesStreamNeedsNoEvents) {
  binding_.set(policy_);
  call(policy_.stream());
  EXPECT_THAT(fake_.operations(), IsEmpty());
  EXPECT_EQ(fake_.live().events, 0);
}

TEST_F(BindingTest, TheEngineWaitsForTheCallersEarlierWork) {
  binding_.set(policy_);
  const auto input = fake_.mark(caller_);
  EXPECT_TRUE(happens_before(input, call(caller_)));
}

TEST_F(BindingTest, TheCallersLaterWorkWaitsForTheEngine) {
  binding_.set(policy_);
  const auto output = call(caller_);
  EXPECT_TRUE(happens_before(output, fake_.mark(caller_)));
  EXPECT_FALSE(happens_before(output, fake_.mark(other_caller_)))
      << "a stream that did not call the engine waits for it";
}

TEST_F(BindingTest, ACrossingCallForksAndJoinsOnce) {
  using Kind = fake::Operation::Kind;
  binding_.set(policy_);
  call(caller_);
  const auto did = fake_.operations();
  ASSERT_EQ(did.size(), 4U);
  const auto is = [&](std::size_t i, Kind kind, StreamView on) {
    return did[i].kind == kind && did[i].stream == on.handle();
  };
  EXPECT_TRUE(is(0, Kind::record, caller_));
  EXPECT_TRUE(is(1, Kind::wait, policy_.stream()));
  EXPECT_TRUE(is(2, Kind::record, policy_.stream()));
  EXPECT_TRUE(is(3, Kind::wait, caller_));
}

TEST_F(BindingTest, EventsAreMadeOnceAndReused) {
  binding_.set(policy_);
  for (int i = 0; i < 100; ++i) call(caller_);
  EXPECT_EQ(fake_.calls_of("cuEventCreate"), 3) << "the calls made other events than fork, join and tail";
  EXPECT_EQ(fake_.operations().size(), 400U);
}

TEST_F(BindingTest, ACallThatThrowsIsJoined) {
  binding_.set(policy_);
  fake::Work work;
  const auto engine_fails = [&] {
    const auto call = binding_.enter(caller_);
    work = fake_.mark(call.stream());
    throw std::runtime_error("of the engine");
  };
  EXPECT_THROW(engine_fails(), std::runtime_error);
  EXPECT_TRUE(happens_before(work, fake_.mark(caller_)));
  EXPECT_EQ(binding_.lane(), policy_);
  EXPECT_TRUE(happens_before(work, call(caller_))) << "the next call does not wait for the call that threw";
}

TEST_F(BindingTest, FinishingTwiceJoinsOnce) {
  binding_.set(policy_);
  auto call = binding_.enter(caller_);
  call.finish();
  const auto count = fake_.operations().size();
  call.finish();
  EXPECT_EQ(fake_.operations().size(), count);
}

TEST_F(BindingTest, TheDefaultStreamBelongsToTheEnginesDevice) {
  const auto lane = Lane::create(gpu(1).partition("policy", 8));
  StreamBinding binding(gpu(1), "engine");
  binding.set(lane);
  fake_.push_current(0);
  for (const auto caller :
       {StreamView::default_stream(), StreamView(CU_STREAM_LEGACY), StreamView(CU_STREAM_PER_THREAD)}) {
    const auto input = fake_.mark(caller, 1);
    const auto work = call(binding, fake_, caller);
    EXPECT_TRUE(happens_before(input, work)) << to_string(caller);
    EXPECT_TRUE(happens_before(work, fake_.mark(caller, 1))) << to_string(caller);
  }
  EXPECT_EQ(fake_.current_contexts(), 1);
  fake_.pop_current();
}

TEST_F(BindingTest, ALaneOfAnotherDeviceIsRefused) {
  binding_.set(policy_);
  const auto elsewhere = Lane::create(gpu(1), {.name = "far", .priority = {}});
  EXPECT_THAT([&] { binding_.set(elsewhere); },
              refuses<StreamError>("'engine' cannot be bound to lane 'far'",
                                   "the engine is on cuda:0 and the lane on cuda:1", "use a lane of cuda:0"));
  EXPECT_EQ(binding_.lane(), policy_);
  EXPECT_EQ(binding_.generation(), 1U);
}

TEST_F(BindingTest, AClosedLaneIsRefused) {
  binding_.set(policy_);
  vision_.close();
  EXPECT_THAT([&] { binding_.set(vision_); }, refuses<StreamError>("'engine' cannot be bound to lane 'vision'",
                                                                   "the lane was closed", "a lane that is open"));
  EXPECT_EQ(binding_.lane(), policy_);
  EXPECT_EQ(binding_.generation(), 1U);
}

TEST_F(BindingTest, ABoundLaneWorksAfterItIsClosed) {
  binding_.set(policy_);
  policy_.close();
  const auto input = fake_.mark(caller_);
  EXPECT_TRUE(happens_before(input, call(caller_)));
}

TEST_F(BindingTest, ABindingHoldsItsLane) {
  std::optional<Lane> lane = Lane::create(device_.partition("third", 8));
  const auto stream = lane->stream();
  binding_.set(*lane);
  lane.reset();
  EXPECT_EQ(binding_.lane()->stream(), stream);
  EXPECT_NO_THROW(call(caller_));
}

TEST_F(BindingTest, TwoEnginesMayShareALane) {
  StreamBinding second(device_, "second");
  binding_.set(policy_);
  second.set(policy_);
  const auto first_work = call(caller_);
  EXPECT_TRUE(happens_before(first_work, call(second, fake_, other_caller_)))
      << "work of two engines on one lane is not ordered";
}

TEST_F(BindingTest, ADriverFailureLeavesTheBindingUnchanged) {
  int failing = 1;
  for (bool failed = true; failed; ++failing) {
    StreamBinding binding(device_, "engine");
    binding.set(policy_);
    fake_.fail(failing);
    try {
      call(binding, fake_, caller_);
    } catch (const DriverError&) {  // NOLINT(bugprone-empty-catch): the next call is checked instead
    }
    failed = fake_.calls() >= failing;
    fake_.fail(0);
    EXPECT_EQ(binding.lane(), policy_);
    const auto input = fake_.mark(caller_);
    const auto work = call(binding, fake_, caller_);
    EXPECT_TRUE(happens_before(input, work));
    EXPECT_TRUE(happens_before(work, fake_.mark(caller_)));
  }
  EXPECT_GT(failing, 16) << "the scenario makes fewer driver calls than expected";
}

}  // namespace
}  // namespace greenlane

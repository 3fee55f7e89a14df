#include "support/binding_fixture.hpp"
#include "support/matchers.hpp"

#include <gtest/gtest.h>

#include <array>

namespace greenlane {
namespace {

using fake::happens_before;
using ::testing::HasSubstr;

// Restores the process's setting.
class BindingStreamTest : public fake::BindingTest {
 protected:
  ~BindingStreamTest() override { set_engine_stream_passthrough(false); }

  StreamView external_ = fake_.make_stream();
};

TEST_F(BindingStreamTest, AnExternalStreamCanBeBound) {
  set(external_);
  EXPECT_TRUE(binding_.is_set());
  EXPECT_EQ(binding_.stream(), external_);
  const auto call = binding_.enter(caller_);
  EXPECT_EQ(call.source(), StreamSource::bound);
  EXPECT_EQ(call.stream(), external_);
}

TEST_F(BindingStreamTest, NullDoesNotMeanUnbound) {
  EXPECT_EQ(binding_.stream(), std::nullopt);
  EXPECT_THAT([&] { set(StreamView::default_stream()); }, ThrowsMessage<StreamError>(HasSubstr("it is null")));
  EXPECT_FALSE(binding_.is_set());
}

TEST_F(BindingStreamTest, ARefusedStreamLeavesTheBindingUnchanged) {
  binding_.set(policy_);
  const auto generation = binding_.generation();
  const auto elsewhere = fake_.make_stream(1);
  for (const StreamView bad :
       {StreamView::default_stream(), StreamView::from_value(1), StreamView::from_value(2), elsewhere}) {
    EXPECT_THROW(set(bad), StreamError) << to_string(bad);
  }
  EXPECT_EQ(binding_.stream(), policy_.stream());
  EXPECT_EQ(binding_.generation(), generation);
}

TEST_F(BindingStreamTest, TheRefusalNamesBothDevices) {
  const auto elsewhere = fake_.make_stream(1);
  EXPECT_THAT([&] { set(elsewhere); }, ThrowsMessage<StreamError>(HasSubstr("cuda:1")));
  EXPECT_THAT([&] { set(elsewhere); }, ThrowsMessage<StreamError>(HasSubstr("cuda:0")));
}

TEST_F(BindingStreamTest, ReservedHandlesAreRefusedWithoutADriverCall) {
  const int calls = fake_.calls();
  EXPECT_THROW(set(StreamView::from_value(1)), StreamError);
  EXPECT_EQ(fake_.calls(), calls);
}

TEST_F(BindingStreamTest, TheCpuRefusesEveryStreamWithItsReason) {
  StreamBinding binding(Device::open("cpu"), "engine");
  EXPECT_THAT([&] { (void)Lane::adopt(binding.device(), StreamView::default_stream()); },
              ThrowsMessage<StreamError>(HasSubstr("it is null")));
  EXPECT_THAT([&] { (void)Lane::adopt(binding.device(), external_); },
              ThrowsMessage<StreamError>(HasSubstr("the CPU has no streams")));
}

TEST_F(BindingStreamTest, ABindingHoldsTheOwnerUntilItIsCleared) {
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = owner;
  set(external_, std::move(owner));
  EXPECT_FALSE(alive.expired());
  binding_.clear();
  EXPECT_TRUE(alive.expired());
}

TEST_F(BindingStreamTest, ACallHoldsTheOwnerOfItsStream) {
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = owner;
  set(external_, std::move(owner));
  {
    const auto call = binding_.enter(caller_);
    binding_.clear();
    EXPECT_FALSE(alive.expired());
  }
  EXPECT_TRUE(alive.expired());
}

TEST_F(BindingStreamTest, PassthroughIsOffAtFirst) {
  EXPECT_FALSE(engine_stream_passthrough());
  EXPECT_EQ(binding_.enter(caller_).source(), StreamSource::own);
}

TEST_F(BindingStreamTest, ABoundStreamTakesPrecedenceOverPassthrough) {
  set_engine_stream_passthrough(true);
  EXPECT_EQ(binding_.enter(caller_).source(), StreamSource::passthrough);
  EXPECT_EQ(binding_.enter(caller_).stream(), caller_);
  set(external_);
  EXPECT_EQ(binding_.enter(caller_).source(), StreamSource::bound);
  binding_.clear();
  EXPECT_EQ(binding_.enter(caller_).source(), StreamSource::passthrough);
  set_engine_stream_passthrough(false);
  EXPECT_EQ(binding_.enter(caller_).source(), StreamSource::own);
}

TEST_F(BindingStreamTest, ANewStreamWaitsForTheOldLane) {
  binding_.set(policy_);
  const auto before = call(caller_);
  set(external_);
  EXPECT_TRUE(happens_before(before, call(other_caller_)));
}

TEST_F(BindingStreamTest, UnboundCallsNeedNoEventsAfterTheOldWork) {
  binding_.set(policy_);
  call(caller_);
  binding_.clear();
  call(caller_);
  fake_.set_events_done(true);
  call(caller_);
  fake_.clear_operations();
  call(caller_);
  EXPECT_THAT(fake_.operations(), ::testing::IsEmpty());
}

class BindAllTest : public fake::BindingTest {
 protected:
  // Makes eight engines: in turn bound to one lane, bound to another lane, and not bound.
  BindAllTest() {
    for (std::size_t i = 0; i < engines_.size(); ++i) {
      engines_[i] = std::make_unique<StreamBinding>(device_, "engine " + std::to_string(i));
      if (i % 3 == 0) engines_[i]->set(policy_);
      if (i % 3 == 1) engines_[i]->set(vision_);
    }
  }
  std::vector<std::optional<Lane>> lanes() const {
    std::vector<std::optional<Lane>> all;
    for (const auto& engine : engines_) all.push_back(engine->lane());
    return all;
  }

  std::array<std::unique_ptr<StreamBinding>, 8> engines_;
};

TEST_F(BindAllTest, BindAllBindsEveryEngine) {
  std::vector<BindingRequest> requests;
  for (const auto& engine : engines_) requests.push_back({engine.get(), vision_});
  bind_all(requests);
  for (const auto& engine : engines_) EXPECT_EQ(engine->lane(), vision_);
}

TEST_F(BindAllTest, OneRefusalLeavesAllBindingsUnchanged) {
  const auto before = lanes();
  auto closed = Lane::create(device_.partition("closed", 8));
  closed.close();
  std::vector<BindingRequest> requests;
  for (const auto& engine : engines_) requests.push_back({engine.get(), requests.size() == 4 ? closed : vision_});
  EXPECT_THAT([&] { bind_all(requests); }, ThrowsMessage<StreamError>(HasSubstr("'engine 4'")));
  EXPECT_EQ(lanes(), before);
}

TEST_F(BindAllTest, AFailureRestoresABindingThatIsListedTwice) {
  const auto before = lanes();
  auto closed = Lane::create(device_.partition("closed", 8));
  closed.close();
  const std::array<BindingRequest, 3> requests{
      {{engines_[2].get(), policy_}, {engines_[2].get(), vision_}, {engines_[0].get(), closed}}};
  EXPECT_THROW(bind_all(requests), StreamError);
  EXPECT_EQ(lanes(), before);
}

TEST_F(BindAllTest, RestoreAllRestoresTheFormerLanes) {
  const auto before = lanes();
  std::vector<BindingRequest> requests;
  for (const auto& engine : engines_) requests.push_back({engine.get(), vision_});
  requests.push_back({engines_[2].get(), policy_});  // a second request for the same engine
  const auto former = bind_all(requests);
  EXPECT_EQ(engines_[2]->lane(), policy_);
  restore_all(former);
  EXPECT_EQ(lanes(), before);
}

TEST_F(BindAllTest, RestoreAllBindsALaneThatWasClosedSince) {
  auto lane = Lane::create(device_.partition("soon closed", 8));
  engines_[0]->set(lane);
  const std::array<BindingRequest, 1> requests{{{engines_[0].get(), vision_}}};
  const auto former = bind_all(requests);
  lane.close();
  restore_all(former);
  EXPECT_EQ(engines_[0]->lane(), lane);
}

TEST_F(BindAllTest, ARestoredLaneWaitsForTheWorkInBetween) {
  call(*engines_[0], fake_, caller_);
  const std::array<BindingRequest, 1> requests{{{engines_[0].get(), vision_}}};
  const auto former = bind_all(requests);
  const auto between = call(*engines_[0], fake_, caller_);
  restore_all(former);
  EXPECT_TRUE(happens_before(between, call(*engines_[0], fake_, other_caller_)));
}

TEST_F(BindAllTest, RestoreAllDoesNotThrowWhenTheDriverFails) {
  const std::array<BindingRequest, 2> requests{{{engines_[2].get(), vision_}, {engines_[5].get(), vision_}}};
  const auto former = bind_all(requests);
  call(*engines_[2], fake_, caller_);
  fake_.fail_from(1);
  EXPECT_NO_THROW(restore_all(former));
  EXPECT_TRUE(engines_[2]->is_set());
  EXPECT_FALSE(engines_[5]->is_set());
}

}  // namespace
}  // namespace greenlane

#include "core/cuda/contexts.hpp"
#include "core/stream_registry.hpp"
#include "support/binding_fixture.hpp"
#include "support/matchers.hpp"

#include <greenlane/detail/core/call_observer.hpp>

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Notes final : public CallObserver {
 public:
  void entered(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept override {
    notes.push_back(binding.owner() + " on " + (lane ? lane->name() : "no lane"));
  }
  void left() noexcept override { notes.emplace_back("left"); }
  std::vector<std::string> notes;
};

class CallObserverTest : public fake::BindingTest {
 protected:
  CallObserverTest() { set_call_observer(&notes_); }
  ~CallObserverTest() override { set_call_observer(nullptr); }
  Notes notes_;
};

TEST_F(CallObserverTest, TheObserverSeesEachCallAndItsLane) {
  call(caller_);
  binding_.set(policy_);
  call(caller_);
  const auto bound = binding_.owner() + " on policy";
  EXPECT_THAT(notes_.notes, ElementsAre(binding_.owner() + " on no lane", "left", bound, "left"));
}

TEST_F(CallObserverTest, TheObserverSeesOneEndOfACall) {
  {
    auto call = binding_.enter(caller_);
    EXPECT_EQ(notes_.notes.size(), 1U);
    call.finish();
    EXPECT_EQ(notes_.notes.size(), 2U);
  }
  EXPECT_EQ(notes_.notes.size(), 2U);
}

TEST_F(CallObserverTest, NestedCallsEndInReverseOrder) {
  StreamBinding inner(device_, "inner");
  {
    const auto outer = binding_.enter(caller_);
    const auto call = inner.enter(caller_);
  }
  EXPECT_THAT(notes_.notes, ElementsAre(binding_.owner() + " on no lane", "inner on no lane", "left", "left"));
}

TEST_F(CallObserverTest, TheObserverSeesTheEndAfterAThrow) {
  binding_.set(policy_);
  EXPECT_THROW(
      {
        const auto call = binding_.enter(caller_);
        throw std::runtime_error("the engine's own");
      },
      std::runtime_error);
  EXPECT_EQ(notes_.notes.back(), "left");
}

TEST_F(CallObserverTest, ACallThatFailsToBeginIsNotLeftOpen) {
  binding_.set(policy_);
  fake_.fail_from(1);
  EXPECT_THROW((void)binding_.enter(caller_), DriverError);
  fake_.fail(0);
  EXPECT_TRUE(notes_.notes.empty() || notes_.notes.back() == "left");
}

TEST_F(CallObserverTest, AnObserverSeesBeginAndEndOrNeither) {
  set_call_observer(nullptr);
  {
    const auto call = binding_.enter(caller_);
    set_call_observer(&notes_);
  }
  EXPECT_THAT(notes_.notes, IsEmpty());
  {
    const auto call = binding_.enter(caller_);
    set_call_observer(nullptr);
  }
  EXPECT_EQ(notes_.notes.size(), 2U) << "the observer did not see both the begin and the end of its call";
}

class ContextsTest : public fake::FakeDriverTest {};

TEST_F(ContextsTest, LanesOfOnePartitionAreInOneContext) {
  const auto lanes = gpu().partition({{"policy", 8}, {"vision", 48}});
  const auto policy = detail::context_of(lanes["policy"].stream());
  const auto beside = lanes["policy"].beside();
  const auto vision = detail::context_of(lanes["vision"].stream());
  ASSERT_TRUE(policy && vision);
  EXPECT_TRUE(policy->is_green);
  EXPECT_EQ(policy->units.count, 8);
  EXPECT_EQ(detail::context_of(beside.stream())->context, policy->context);
  EXPECT_NE(vision->context, policy->context);
}

TEST_F(ContextsTest, PlainStreamsAreInThePrimaryContext) {
  const auto lane = Lane::create(gpu());
  const auto context = detail::context_of(lane.stream());
  ASSERT_TRUE(context);
  EXPECT_FALSE(context->is_green);
  EXPECT_EQ(context->context, detail::primary_context_of(0));
}

TEST_F(ContextsTest, AnUnknownContextIsReportedAsAbsent) {
  const auto stream = fake_.make_stream();
  fake_.set_capture(stream, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_FALSE(detail::context_of(stream)) << "the query would invalidate the capture";
  fake_.set_capture(stream, CU_STREAM_CAPTURE_STATUS_NONE);
  const driver::ScopedTable none(nullptr);
  EXPECT_FALSE(detail::context_of(stream));
  EXPECT_FALSE(detail::primary_context_of(0));
}

TEST_F(ContextsTest, StreamsAreListedUntilTheirLaneIsGone) {
  const auto list = [] {
    std::map<std::int64_t, std::string> names;
    detail::visit_streams([&](const auto& each) { names[each.stream.value()] = each.lane; });
    return names;
  };
  {
    const auto lane = Lane::create(gpu(), {.name = "seen"});
    EXPECT_EQ(list().at(lane.stream().value()), "seen");
  }
  for (const auto& [stream, name] : list()) EXPECT_NE(name, "seen");
}

}  // namespace
}  // namespace greenlane

// Bound engines in a graph of the caller's, and engines that capture graphs of their own.
#include "core/graphs/capture_scope.hpp"
#include "support/binding_fixture.hpp"

#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/captured_work.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class CaptureTest : public fake::BindingTest {
 protected:
  // Captures one call of each engine from a lane on the whole device.
  Graph capture(std::initializer_list<StreamBinding*> bindings) {
    const auto plain = Lane::create(device_);
    return Graph::capture(plain, [&] {
      for (auto* binding : bindings) call(*binding, fake_, plain.stream());
    });
  }
  std::vector<std::set<int>> nodes_of(const Graph& graph) {
    graph.launch(StreamView::default_stream());
    return fake_.launches().back().nodes;
  }
  std::set<int> whole_device() { return fake_.sms_of(fake_.make_stream()); }
};

TEST_F(CaptureTest, EveryEngineStaysInItsPartition) {
  StreamBinding other{device_, "other"};
  StreamBinding unbound{device_, "unbound"};
  binding_.set(policy_);
  other.set(vision_);
  const auto graph = capture({&binding_, &other, &unbound});
  EXPECT_THAT(nodes_of(graph),
              ElementsAre(fake_.sms_of(policy_.stream()), fake_.sms_of(vision_.stream()), whole_device()));
}

TEST_F(CaptureTest, OtherWorkOnTheLaneIsNotCaptured) {
  binding_.set(policy_);
  const auto plain = Lane::create(device_);
  const auto graph = Graph::capture(plain, [&] {
    auto call = binding_.enter(plain.stream());
    EXPECT_NE(call.stream(), policy_.stream());
    EXPECT_TRUE(call.is_captured());
    fake_.mark(call.stream());
    fake_.mark(policy_.stream());  // work of another engine, in another thread
    call.finish();
  });
  EXPECT_EQ(nodes_of(graph).size(), 1U);
}

TEST_F(CaptureTest, ACaptureOnTheLanesStreamNeedsNoOtherStream) {
  binding_.set(policy_);
  const auto graph = Graph::capture(policy_, [&] {
    auto call = binding_.enter(policy_.stream());
    EXPECT_EQ(call.stream(), policy_.stream());
    EXPECT_TRUE(call.is_captured());
    fake_.mark(call.stream());
    call.finish();
  });
  EXPECT_THAT(nodes_of(graph), ElementsAre(fake_.sms_of(policy_.stream())));
}

TEST_F(CaptureTest, AnUnfinishedCallIsJoinedToTheCapture) {
  binding_.set(policy_);
  const auto plain = Lane::create(device_);
  const auto graph = Graph::capture(plain, [&] {
    auto call = binding_.enter(plain.stream());
    fake_.mark(call.stream());
  });
  EXPECT_EQ(nodes_of(graph).size(), 1U);
}

TEST_F(CaptureTest, CallsAfterACaptureAreOrdered) {
  binding_.set(policy_);
  const auto before = call(caller_);
  (void)capture({&binding_});
  const auto after = call(other_caller_);
  EXPECT_TRUE(fake::happens_before(before, after));
  EXPECT_TRUE(fake::happens_before(after, fake_.mark(other_caller_)));
}

TEST_F(CaptureTest, TheNextEagerCallWaitsAfterARebind) {
  binding_.set(policy_);
  const auto old_work = call(caller_);
  binding_.set(vision_);
  EXPECT_THAT(nodes_of(capture({&binding_})), ElementsAre(fake_.sms_of(vision_.stream())));
  EXPECT_TRUE(fake::happens_before(old_work, call(other_caller_)));
}

TEST_F(CaptureTest, AGraphKeepsTheLanesOfItsEngines) {
  std::optional<Graph> graph;
  {
    StreamBinding other{device_, "other"};
    other.set(Lane::create(device_.partition("gone", 16)));
    graph = capture({&other});
  }
  EXPECT_THROW((void)device_.partition("too much", 132 - 8 - 48), PartitionError);
  graph.reset();
  EXPECT_NO_THROW((void)device_.partition("the rest", 132 - 8 - 48));
}

TEST_F(CaptureTest, ARebindMakesAGraphStale) {
  StreamBinding unbound{device_, "unbound"};
  binding_.set(policy_);
  auto graph = capture({&binding_, &unbound});
  EXPECT_TRUE(graph.is_current());
  (void)call(caller_);
  EXPECT_TRUE(graph.is_current());
  binding_.set(vision_);
  EXPECT_FALSE(graph.is_current());
  graph = capture({&binding_, &unbound});
  unbound.set(policy_);
  EXPECT_FALSE(graph.is_current());
  graph = capture({&binding_, &unbound});
  binding_.clear();
  EXPECT_FALSE(graph.is_current());
}

TEST_F(CaptureTest, TheStreamForCapturesCanBePrepared) {
  EXPECT_EQ(binding_.prepare_capture(), std::nullopt);
  binding_.set(policy_);
  const auto prepared = binding_.prepare_capture();
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->unit_set(), policy_.unit_set());
  const auto plain = Lane::create(device_);
  (void)Graph::capture(plain, [&] {
    auto call = binding_.enter(plain.stream());
    EXPECT_EQ(call.stream(), prepared->stream());
    call.finish();
  });
}

// The graphs of an engine that captures by itself.
class Captures final : public CapturedWork {
 public:
  void require_bindable(const std::string& engine) const override {
    if (!bindable) throw StreamError({.what = "'" + engine + "' cannot be bound", .why = "its graphs", .remedy = ""});
  }
  std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept override {
    unit_sets.push_back(lane ? lane->unit_set() : UnitSetId{});
    return std::make_shared<std::shared_ptr<int>>(freed_late);
  }
  bool bindable = true;
  std::vector<UnitSetId> unit_sets;
  std::shared_ptr<int> freed_late;
};

class CapturedWorkTest : public CaptureTest {
 protected:
  CapturedWorkTest() { binding_.set_captured_work(work_); }
  std::shared_ptr<Captures> work_ = std::make_shared<Captures>();
};

TEST_F(CapturedWorkTest, CapturedWorkIsToldOfEveryBinding) {
  binding_.set(policy_);
  set(vision_.stream());
  binding_.clear();
  EXPECT_EQ(work_->unit_sets.size(), 3U);
  EXPECT_EQ(work_->unit_sets.front(), policy_.unit_set());
  EXPECT_EQ(work_->unit_sets.back(), UnitSetId{});
}

TEST_F(CapturedWorkTest, ARefusedBindingLeavesTheFormerLane) {
  binding_.set(policy_);
  work_->bindable = false;
  EXPECT_THAT([&] { binding_.set(vision_); }, ThrowsMessage<StreamError>(HasSubstr("'engine' cannot be bound")));
  EXPECT_THROW(set(fake_.make_stream()), StreamError);
  EXPECT_EQ(binding_.lane(), policy_);
}

TEST_F(CapturedWorkTest, OnlyBoundCallsAreRefused) {
  binding_.set(policy_);
  work_->bindable = false;
  EXPECT_THROW((void)call(caller_), StreamError);
  binding_.clear();
  EXPECT_NO_THROW((void)call(caller_));
}

TEST_F(CapturedWorkTest, RemovedWorkIsNotToldOfBindings) {
  binding_.set_captured_work(nullptr);
  binding_.set(policy_);
  EXPECT_TRUE(work_->unit_sets.empty());
}

// Engines of TensorRT have one setting at a time. Where it changes, a rebind is not to blame.
TEST_F(CaptureTest, AGraphOfAnEngineWithAnotherSettingIsNotValid) {
  const auto setting = std::make_shared<std::atomic<std::uint64_t>>(3);
  const auto graph =
      Graph::capture(policy_, [&] { detail::CaptureScope::note(binding_, setting, /*is_context=*/true); });
  EXPECT_TRUE(graph.is_valid());
  EXPECT_TRUE(graph.is_current());
  setting->fetch_add(1);
  EXPECT_FALSE(graph.is_valid());
  EXPECT_FALSE(graph.is_current());
}

TEST_F(CaptureTest, AGraphOfAnEngineThatIsBoundElsewhereIsValid) {
  const auto binding = std::make_shared<std::atomic<std::uint64_t>>(3);
  const auto graph = Graph::capture(policy_, [&] { detail::CaptureScope::note(binding_, binding); });
  binding->fetch_add(1);
  EXPECT_TRUE(graph.is_valid());
  EXPECT_FALSE(graph.is_current());
}

}  // namespace
}  // namespace greenlane

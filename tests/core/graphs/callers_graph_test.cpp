// Graphs that callers capture: they keep their lanes, and warn when one of their engines is bound elsewhere.
#include "support/callers_graph.hpp"

#include "core/drop_queue.hpp"
#include "support/binding_fixture.hpp"

#include <greenlane/core/graph.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CallersGraphTest : public fake::BindingTest {
 protected:
  ~CallersGraphTest() override { wait(); }

  static void wait() { detail::DropQueue::instance().wait_until_empty(); }

  // Captures a graph of `calls` calls, on a stream of the caller's.
  std::unique_ptr<fake::CallersGraph> capture(StreamBinding& binding, int calls = 1) {
    return std::make_unique<fake::CallersGraph>(fake_, caller_, [&, calls] {
      for (int i = 0; i < calls; ++i) (void)call(binding, fake_, caller_);
    });
  }
  std::vector<std::set<int>> nodes_of(const fake::CallersGraph& graph) {
    graph.launch(other_caller_);
    return fake_.launches().back().nodes;
  }
  // Returns whether that number of SMs is free beside the fixture's 8 and 48.
  bool can_have(int sms) {
    try {
      (void)device_.partition("other", sms);
      return true;
    } catch (const PartitionError&) {
      return false;
    }
  }

  static constexpr int kRest = 132 - 8 - 48;
};

TEST_F(CallersGraphTest, AGraphKeepsALaneWithoutOtherOwners) {
  std::unique_ptr<fake::CallersGraph> graph;
  std::set<int> sms;
  {
    StreamBinding other{device_, "other"};
    const auto lane = Lane::create(device_.partition("gone", 16));
    sms = fake_.sms_of(lane.stream());
    other.set(lane);
    graph = capture(other);
  }
  wait();
  EXPECT_THAT(nodes_of(*graph), ElementsAre(sms));
  EXPECT_FALSE(can_have(kRest)) << "the graph's SMs were given to another partition";
  graph.reset();
  wait();
  EXPECT_TRUE(can_have(kRest));
}

TEST_F(CallersGraphTest, AGraphKeepsTheLaneOfItsCapture) {
  std::unique_ptr<fake::CallersGraph> graph;
  {
    StreamBinding other{device_, "other"};
    const auto lane = Lane::create(device_.partition("gone", 16));
    other.set(lane);
    graph =
        std::make_unique<fake::CallersGraph>(fake_, lane.stream(), [&] { (void)call(other, fake_, lane.stream()); });
    EXPECT_EQ(fake_.live().streams, 3) << "the capture made a second lane although it ran on the lane itself";
  }
  wait();
  EXPECT_FALSE(can_have(kRest));
  graph.reset();
  wait();
  EXPECT_TRUE(can_have(kRest));
}

TEST_F(CallersGraphTest, AGraphKeepsTheOwnerOfAnAdoptedStream) {
  auto owner = std::make_shared<int>();
  const std::weak_ptr<int> seen = owner;
  set(fake_.make_green_stream(16), std::move(owner));
  auto graph = capture(binding_);
  binding_.clear();
  wait();
  EXPECT_FALSE(seen.expired());
  graph.reset();
  wait();
  EXPECT_TRUE(seen.expired());
}

TEST_F(CallersGraphTest, AGraphHoldsEachLaneOnce) {
  binding_.set(policy_);
  const auto graph = capture(binding_, 100);
  EXPECT_EQ(fake_.live().user_objects, 1);
  const auto second = capture(binding_);
  EXPECT_EQ(fake_.live().user_objects, 2) << "the second graph does not hold the lane itself";
}

TEST_F(CallersGraphTest, AGraphHoldsAllLanesOfAReboundEngine) {
  const fake::CallersGraph graph(fake_, caller_, [&] {
    for (const auto& lane : {policy_, vision_, policy_}) {
      binding_.set(lane);
      (void)call(caller_);
    }
  });
  EXPECT_EQ(fake_.live().user_objects, 2);
  EXPECT_EQ(nodes_of(graph).size(), 3U);
}

TEST_F(CallersGraphTest, AGraphHoldsNothingForUnboundEngines) {
  const auto graph = capture(binding_);
  EXPECT_EQ(fake_.live().user_objects, 0);
  binding_.set(policy_);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(CallersGraphTest, ResidentGraphsNeedNoUserObjects) {
  binding_.set(policy_);
  const auto plain = Lane::create(device_);
  const auto graph = Graph::capture(plain, [&] { (void)call(binding_, fake_, plain.stream()); });
  EXPECT_EQ(fake_.live().user_objects, 0);
  binding_.set(vision_);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(CallersGraphTest, AFailedCaptureKeepsNoLane) {
  binding_.set(policy_);
  const fake::CallersGraph graph(fake_, caller_, [&] {
    (void)call(caller_);
    fake_.set_capture(caller_, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    (void)call(caller_);
  });
  EXPECT_FALSE(graph.exists());
  wait();
  EXPECT_EQ(fake_.live().user_objects, 0);
  binding_.set(vision_);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(CallersGraphTest, AnotherThreadReleasesTheLane) {
  struct Owner {
    std::thread::id* dropped_by;
    ~Owner() { *dropped_by = std::this_thread::get_id(); }
  };
  std::thread::id dropped_by;
  set(fake_.make_green_stream(16), std::shared_ptr<Owner>(new Owner{&dropped_by}));
  auto graph = capture(binding_);
  binding_.clear();
  graph.reset();
  wait();
  EXPECT_NE(dropped_by, std::thread::id());
  EXPECT_NE(dropped_by, std::this_thread::get_id());
}

TEST_F(CallersGraphTest, ARebindGivesOneWarning) {
  binding_.set(policy_);
  const auto graph = capture(binding_);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
  binding_.set(vision_);
  EXPECT_THAT(warnings_.texts(),
              ElementsAre(AllOf(HasSubstr("'engine' is now bound to lane 'vision' (48 SMs)"),
                                HasSubstr("still runs it on lane 'policy' (8 SMs) and keeps that lane"),
                                HasSubstr("capture the graph again"))));
  binding_.clear();
  binding_.set(vision_);
  EXPECT_THAT(warnings_.texts(), SizeIs(1));
}

TEST_F(CallersGraphTest, AClearGivesAWarning) {
  binding_.set(policy_);
  const auto graph = capture(binding_);
  binding_.clear();
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("'engine' is not bound any more, but a CUDA graph")));
}

TEST_F(CallersGraphTest, ARestoredBindingGivesAWarning) {
  const BindingRequest request{.binding = &binding_, .lane = policy_};
  const auto former = bind_all({&request, 1});
  const auto graph = capture(binding_);
  restore_all(former);
  EXPECT_THAT(warnings_.texts(), SizeIs(1));
}

TEST_F(CallersGraphTest, AnotherLaneOnTheSameUnitsGivesNoWarning) {
  binding_.set(policy_);
  const auto graph = capture(binding_);
  binding_.set(policy_);
  binding_.set(policy_.beside());
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(CallersGraphTest, ADestroyedGraphGivesNoWarning) {
  binding_.set(policy_);
  auto graph = capture(binding_);
  auto second = capture(binding_);
  graph.reset();
  second.reset();
  binding_.set(vision_);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(CallersGraphTest, EachGraphGivesAWarning) {
  binding_.set(policy_);
  const auto first = capture(binding_);
  binding_.set(vision_);
  const auto second = capture(binding_);
  binding_.set(policy_);
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("on lane 'policy' (8 SMs)"), HasSubstr("on lane 'vision' (48")));
}

TEST_F(CallersGraphTest, NoLockIsHeldDuringTheWarning) {
  binding_.set(policy_);
  const auto graph = capture(binding_);
  std::optional<Lane> seen;
  auto former = set_warning_sink([&](const std::string&) {
    // Python's logging works like this: another thread holds a lock that this thread needs, and itself needs the
    // binding.
    std::thread([&] { seen = binding_.lane(); }).join();
  });
  binding_.set(vision_);
  (void)set_warning_sink(std::move(former));
  EXPECT_EQ(seen, vision_);
}

TEST_F(CallersGraphTest, AGraphOutlivesItsEngine) {
  std::unique_ptr<fake::CallersGraph> graph;
  {
    StreamBinding other{device_, "other"};
    other.set(policy_);
    graph = capture(other);
  }
  EXPECT_THAT(nodes_of(*graph), ElementsAre(fake_.sms_of(policy_.stream())));
}

}  // namespace
}  // namespace greenlane

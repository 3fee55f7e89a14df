#include "support/fake_driver_test.hpp"

#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/kernel_code.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <stdexcept>
#include <string>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class GraphTest : public fake::FakeDriverTest {
 protected:
  Graph capture(const Lane& lane) {
    return Graph::capture(lane, [&] { fake_.mark(lane.stream()); });
  }

  Device device_ = gpu();
  Lane policy_ = Lane::create(device_.partition("policy", 8));
  Lane vision_ = Lane::create(device_.partition("vision", 48));
};

TEST_F(GraphTest, NodesStayOnTheUnitsOfTheirCapture) {
  const auto graph = capture(policy_);
  graph.launch(vision_.stream());
  graph.launch(StreamView::default_stream());
  const auto launches = fake_.launches();
  ASSERT_EQ(launches.size(), 2U);
  EXPECT_THAT(launches[0].nodes, ElementsAre(fake_.sms_of(policy_.stream())));
  EXPECT_EQ(launches[0].stream, vision_.stream().handle());
  EXPECT_EQ(launches[1].stream, nullptr);
}

TEST_F(GraphTest, ACaptureRunsNothing) {
  (void)capture(policy_);
  EXPECT_TRUE(fake_.launches().empty());
}

TEST_F(GraphTest, AnExceptionEndsTheCapture) {
  const auto broken = [&] {
    (void)Graph::capture(policy_, [&] {
      fake_.mark(policy_.stream());
      throw std::runtime_error("the engine's own");
    });
  };
  EXPECT_THAT(broken, ThrowsMessage<std::runtime_error>("the engine's own"));
  EXPECT_EQ(fake_.live().graphs, 0);
  (void)capture(policy_);  // the stream is as it was
}

TEST_F(GraphTest, AFailedCaptureLeavesTheStreamUsable) {
  const auto forbidden = [&] {
    (void)Graph::capture(policy_, [&] { fake_.set_capture(policy_.stream(), CU_STREAM_CAPTURE_STATUS_INVALIDATED); });
  };
  EXPECT_THAT(forbidden, ThrowsMessage<StreamError>(HasSubstr("could not be captured in a graph")));
  (void)capture(policy_);
}

TEST_F(GraphTest, AGraphKeepsItsPartitionAlive) {
  std::optional<Graph> graph;
  {
    const auto lane = Lane::create(device_.partition("gone", 16));
    graph = capture(lane);
  }
  EXPECT_THROW((void)device_.partition("too much", 132 - 8 - 48), PartitionError);
  graph.reset();
  EXPECT_NO_THROW((void)device_.partition("all that is left", 132 - 8 - 48));
}

TEST_F(GraphTest, TheCpuHasNoGraphs) {
  const auto lane = Lane::create(Device::open("cpu"));
  EXPECT_THROW((void)Graph::capture(lane, [] {}), StreamError);
}

class UnitSetTest : public GraphTest {};

TEST_F(UnitSetTest, ALaneBesideAnotherSharesItsUnits) {
  const auto beside = policy_.beside();
  EXPECT_NE(beside.stream(), policy_.stream());
  EXPECT_EQ(fake_.sms_of(beside.stream()), fake_.sms_of(policy_.stream()));
  EXPECT_EQ(beside.unit_set(), policy_.unit_set());
  EXPECT_EQ(beside.units(), policy_.units());
}

TEST_F(UnitSetTest, EveryPartitionHasANewUnitSet) {
  EXPECT_NE(policy_.unit_set(), vision_.unit_set());
  UnitSetId former;
  std::vector<int> groups;
  {
    const auto lane = Lane::create(device_.partition("short", 16));
    former = lane.unit_set();
    groups.assign(lane.partition()->groups().begin(), lane.partition()->groups().end());
  }
  const auto lane = Lane::create(device_.partition("again", 16));
  EXPECT_EQ(std::vector<int>(lane.partition()->groups().begin(), lane.partition()->groups().end()), groups);
  EXPECT_NE(lane.unit_set(), former);
}

TEST_F(UnitSetTest, TheWholeDeviceIsOneUnitSet) {
  EXPECT_EQ(Lane::create(device_).unit_set(), UnitSetId{});
  EXPECT_EQ(Lane::adopt(device_, fake_.make_stream()).unit_set(), UnitSetId{});
  EXPECT_EQ(Lane::create(device_).beside().unit_set(), UnitSetId{});
}

TEST_F(UnitSetTest, AnAdoptedStreamHasTheUnitSetOfItsGreenContext) {
  const auto stream = fake_.make_green_stream(24);
  const auto same = fake_.make_green_stream(stream);
  const auto lane = Lane::adopt(device_, stream);
  EXPECT_NE(lane.unit_set(), UnitSetId{});
  EXPECT_EQ(lane.units().count, 24);
  EXPECT_EQ(Lane::adopt(device_, same).unit_set(), lane.unit_set());
  EXPECT_NE(Lane::adopt(device_, fake_.make_green_stream(24)).unit_set(), lane.unit_set());
  const auto beside = lane.beside();
  EXPECT_EQ(beside.unit_set(), lane.unit_set());
  EXPECT_EQ(fake_.sms_of(beside.stream()), fake_.sms_of(stream));
}

class UnnumberedUnitSetTest : public fake::FakeDriverTest {
 protected:
  UnnumberedUnitSetTest() : FakeDriverTest({.green_ctx_get_id = false}) {}
};

TEST_F(UnnumberedUnitSetTest, EveryAdoptionIsANewUnitSet) {
  const auto device = gpu();
  const auto stream = fake_.make_green_stream(24);
  const auto one = Lane::adopt(device, stream);
  const auto other = Lane::adopt(device, stream);
  EXPECT_NE(one.unit_set(), UnitSetId{});
  EXPECT_NE(one.unit_set(), other.unit_set());
}

TEST_F(UnitSetTest, StreamsOfForeignContextsAreNotReusedElsewhere) {
  CUstream shelved = nullptr;
  {
    const auto beside = Lane::adopt(device_, fake_.make_green_stream(24)).beside();
    beside.keep_stream();
    shelved = beside.stream().handle();
  }
  EXPECT_NE(Lane::create(device_).stream().handle(), shelved);
  EXPECT_NE(Lane::adopt(device_, fake_.make_green_stream(24)).beside().stream().handle(), shelved);
}

class GraphMoveTest : public GraphTest {
 protected:
  Graph capture(fake::NodeKind kind = fake::NodeKind::library_kernel) {
    fake_.make_nodes(kind);
    return GraphTest::capture(policy_);
  }
  // Launches the graph, and returns the SMs of its one node.
  std::set<int> sms_of(const Graph& graph) {
    graph.launch(vision_.stream());
    return fake_.launches().back().nodes.front();
  }
  static auto refuses_because(const std::string& why) { return ThrowsMessage<StreamError>(HasSubstr(why)); }
  static std::shared_ptr<KernelCode> code(KernelCode::Images images) {
    return std::make_shared<KernelCode>([images] { return images; });
  }

  const std::set<int> on_policy_ = fake_.sms_of(policy_.stream());
  const std::set<int> on_vision_ = fake_.sms_of(vision_.stream());
};

TEST_F(GraphMoveTest, KernelsMemsetsAndCopiesMove) {
  for (const auto kind : {fake::NodeKind::library_kernel, fake::NodeKind::memset, fake::NodeKind::copy}) {
    const auto graph = capture(kind);
    EXPECT_EQ(sms_of(graph.moved(vision_)), on_vision_);
    EXPECT_EQ(sms_of(graph), on_policy_) << "the original stays";
  }
}

TEST_F(GraphMoveTest, AMovedGraphMovesAgain) {
  const auto graph = capture().moved(vision_);
  EXPECT_EQ(sms_of(graph.moved(policy_)), on_policy_);
}

TEST_F(GraphMoveTest, AGraphMovesToTheWholeDeviceAndBack) {
  const auto whole = Lane::create(device_);
  const auto graph = capture().moved(whole);
  EXPECT_EQ(sms_of(graph).size(), 132U);
  EXPECT_EQ(sms_of(graph.moved(vision_)), on_vision_);
}

TEST_F(GraphMoveTest, AModulesKernelIsReplacedByTheSameOneOfTheCode) {
  const auto graph = capture(fake::NodeKind::module_kernel);
  EXPECT_EQ(sms_of(graph.moved(vision_, code({"other 32", "kernel 32"}))), on_vision_);
}

TEST_F(GraphMoveTest, AModulesKernelWithoutCodeStays) {
  const auto graph = capture(fake::NodeKind::module_kernel);
  EXPECT_THAT([&] { (void)graph.moved(vision_); }, refuses_because("its kernel kernel belongs to a module"));
  EXPECT_THAT([&] { (void)graph.moved(vision_, code({"other 32"})); }, refuses_because("belongs to a module"));
}

TEST_F(GraphMoveTest, AKernelOfTheSameNameAndOtherCodeIsNoReplacement) {
  const auto graph = capture(fake::NodeKind::module_kernel);
  EXPECT_THAT([&] { (void)graph.moved(vision_, code({"kernel 40"})); }, refuses_because("belongs to a module"));
  EXPECT_EQ(sms_of(graph.moved(vision_, code({"kernel 40", "kernel 32"}))), on_vision_);
}

TEST_F(GraphMoveTest, TwoKernelsThatLookAlikeAreNoReplacement) {
  const auto graph = capture(fake::NodeKind::module_kernel);
  EXPECT_THAT([&] { (void)graph.moved(vision_, code({"kernel 32", "kernel 32 "})); },
              refuses_because("belongs to a module"));
  EXPECT_EQ(sms_of(graph.moved(vision_, code({"kernel 32", "kernel 32"}))), on_vision_) << "one image, twice";
}

TEST_F(GraphMoveTest, TwoModulesKernelsWithOneNameAreRefused) {
  const auto graph = Graph::capture(policy_, [&] {
    for (int i = 0; i < 2; ++i) {
      fake_.make_nodes(fake::NodeKind::module_kernel);
      fake_.mark(policy_.stream());
    }
  });
  EXPECT_THAT([&] { (void)graph.moved(vision_, code({"kernel 32"})); }, refuses_because("two kernels with the name"));
}

TEST_F(GraphMoveTest, CodeThatCouldNotBeReadIsReadAgain) {
  const auto graph = capture(fake::NodeKind::module_kernel);
  bool is_there = false;
  const auto known = std::make_shared<KernelCode>([&]() -> KernelCode::Images {
    if (!is_there) throw std::runtime_error("the file is gone");
    return {"kernel 32"};
  });
  EXPECT_THAT([&] { (void)graph.moved(vision_, known); }, ThrowsMessage<std::runtime_error>("the file is gone"));
  is_there = true;
  EXPECT_EQ(sms_of(graph.moved(vision_, known)), on_vision_);
}

TEST_F(GraphMoveTest, WhatCannotBeMovedIsRefusedAndLeavesNothing) {
  EXPECT_THAT([&] { (void)capture(fake::NodeKind::cooperative_kernel).moved(vision_); },
              refuses_because("cooperative kernel"));
  EXPECT_THAT([&] { (void)capture(fake::NodeKind::batch_memory_operation).moved(vision_); },
              refuses_because("a node of type"));
  EXPECT_EQ(fake_.live().graphs, 0);
}

TEST_F(GraphMoveTest, WorkOfOtherLanesIsRefused) {
  fake_.make_nodes(fake::NodeKind::library_kernel);
  StreamBinding inside(device_, "inside");
  inside.set(vision_);
  const auto graph = Graph::capture(policy_, [&] {
    auto call = inside.enter(policy_.stream());
    fake_.mark(call.stream());
    call.finish();
  });
  EXPECT_THAT([&] { (void)graph.moved(vision_); }, refuses_because("run on lanes of their own"));
}

TEST_F(GraphMoveTest, TheUnitsOfTheCaptureAreFreeAfterAMove) {
  auto big = std::make_optional(Lane::create(device_.partition("big", 72)));
  auto graph = std::make_optional(Graph::capture(*big, [&] { fake_.mark(big->stream()); }));
  graph = graph->moved(vision_);
  big.reset();
  const auto again = Lane::create(device_.partition("again", 72));
  EXPECT_EQ(sms_of(*graph), on_vision_);
}

TEST_F(GraphMoveTest, ManyMovesUseNoMoreOfAnything) {
  auto graph = capture(fake::NodeKind::module_kernel);
  const auto known = code({"kernel 32"});
  graph = graph.moved(vision_, known);
  const auto before = fake_.live();
  for (int i = 0; i < 1000; ++i) graph = graph.moved(i % 2 == 0 ? policy_ : vision_, known);
  EXPECT_EQ(fake_.live(), before);
}

}  // namespace
}  // namespace greenlane

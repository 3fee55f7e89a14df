#include "support/fake_driver_test.hpp"

#include <greenlane/detail/core/sliced_graph.hpp>
#include <greenlane/detail/core/slices_in_flight.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace greenlane {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using ::testing::HasSubstr;

class SlicedGraphTest : public fake::FakeDriverTest {
 protected:
  explicit SlicedGraphTest(fake::Config config = {}) : FakeDriverTest(std::move(config)) {
    fake_.set_events_done(true);
  }

  Graph capture(int nodes) {
    return Graph::capture(lane_, [&] {
      for (int i = 0; i < nodes; ++i) fake_.mark(lane_.stream());
    });
  }
  [[nodiscard]] std::size_t launches() const { return fake_.launches().size(); }
  void wait_for_launches(std::size_t count) const {
    for (int i = 0; i < 5000 && launches() < count; ++i) std::this_thread::sleep_for(milliseconds(1));
    ASSERT_EQ(launches(), count);
  }
  // Waits for so many launches, and for others that must not follow.
  void expect_launches(std::size_t count) const {
    wait_for_launches(count);
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_EQ(launches(), count);
  }
  // Runs the graph once. Returns the number of nodes of each slice that it launched.
  std::vector<std::size_t> run(SlicedGraph& graph) {
    const auto before = fake_.launches().size();
    graph.run(gate_, lane_);
    std::vector<std::size_t> sizes;
    for (const auto& launch : fake_.launches()) sizes.push_back(launch.nodes.size());
    return {sizes.begin() + static_cast<std::ptrdiff_t>(before), sizes.end()};
  }

  Device device_ = gpu();
  Lane lane_ = Lane::create(device_.partition("lane", 48));
  Gate gate_;
};

TEST_F(SlicedGraphTest, EveryNodeIsLaunchedOnceOnTheLane) {
  SlicedGraph graph(capture(20), lane_, {.longest = nanoseconds(1)});
  EXPECT_EQ(graph.slices(), 20);
  EXPECT_EQ(run(graph), std::vector<std::size_t>(20, 1));
  for (const auto& launch : fake_.launches()) {
    EXPECT_EQ(launch.stream, lane_.stream().handle());
    for (const auto& sms : launch.nodes) EXPECT_EQ(sms, fake_.sms_of(lane_.stream()));
  }
}

TEST_F(SlicedGraphTest, SlicesAreMeasuredInOrder) {
  auto whole = capture(6);
  const auto before = fake_.launches().size();
  SlicedGraph graph(std::move(whole), lane_, {.longest = microseconds(25)});
  EXPECT_EQ(graph.longest_slice(), microseconds(20)) << "a slice is not two nodes of 10 us";
  EXPECT_EQ(run(graph), std::vector<std::size_t>(3, 2));
  const auto finest = fake_.launches()[before];
  EXPECT_EQ(finest.nodes.size(), 1U);
}

TEST_F(SlicedGraphTest, SlicesAreMergedUpToTheLimit) {
  SlicedGraph graph(capture(20), lane_, {.longest = hours(1)});
  EXPECT_EQ(run(graph), std::vector<std::size_t>{20});
}

TEST_F(SlicedGraphTest, UnmeasuredSlicesHaveEqualNumbersOfNodes) {
  const auto launches = [&] { return fake_.launches().size(); };
  auto whole = capture(64);
  const auto before = launches();
  SlicedGraph graph(std::move(whole), lane_, {}, /*measure=*/false);
  EXPECT_EQ(launches(), before);
  EXPECT_EQ(run(graph), std::vector<std::size_t>(16, 4));
  EXPECT_EQ(graph.longest_slice(), nanoseconds(0));
}

TEST_F(SlicedGraphTest, AGraphWithoutACutIsLaunchedWhole) {
  SlicedGraph graph(capture(1), lane_, {});
  EXPECT_EQ(graph.slices(), 1);
  EXPECT_THAT(graph.obstacle(), HasSubstr("no point that every path crosses"));
  EXPECT_EQ(run(graph), std::vector<std::size_t>{1});
}

TEST_F(SlicedGraphTest, TheGateIsAskedBeforeEverySlice) {
  SlicedGraph graph(capture(4), lane_, {.longest = nanoseconds(1)});
  const auto gate = std::make_shared<Gate>();
  auto pass = std::make_optional(Gate::close(gate, lane_.unit_set(), hours(1)));
  const auto before = fake_.launches().size();
  std::jthread best_effort([&] { graph.run(*gate, lane_); });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(fake_.launches().size(), before) << "a slice was launched through a closed gate";
  pass.reset();
  best_effort.join();
  EXPECT_EQ(fake_.launches().size(), before + 4);
  EXPECT_EQ(gate->report().held, 1U);
}

TEST_F(SlicedGraphTest, TheLookAheadLimitsSlicesInFlight) {
  for (const int ahead : {0, 1, 3}) {
    SlicedGraph graph(capture(8), lane_, {.longest = nanoseconds(1), .look_ahead = ahead});
    fake_.set_events_done(false);
    const auto before = fake_.launches().size();
    std::jthread best_effort([&] { graph.run(gate_, lane_); });
    expect_launches(before + static_cast<std::size_t>(ahead) + 1);
    fake_.set_events_done(true);
    best_effort.join();
    EXPECT_EQ(fake_.launches().size(), before + 8);
  }
}

TEST_F(SlicedGraphTest, SlicesOfTheFormerRunCountAsInFlight) {
  SlicedGraph graph(capture(8), lane_, {.longest = nanoseconds(1), .look_ahead = 7});
  fake_.set_events_done(false);
  graph.run(gate_, lane_);
  const auto before = fake_.launches().size();
  std::jthread best_effort([&] { graph.run(gate_, lane_); });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(fake_.launches().size(), before);
  fake_.set_events_done(true);
  best_effort.join();
  EXPECT_EQ(fake_.launches().size(), before + 8);
}

TEST_F(SlicedGraphTest, TheLogHasEverySliceOfARun) {
  const auto log = std::make_shared<SpanLog>(100);
  SlicedGraph graph(capture(8), lane_, {.longest = nanoseconds(1), .look_ahead = 1, .log = log});
  EXPECT_TRUE(log->spans().empty()) << "the measurement was logged as a run";
  (void)run(graph);
  const auto spans = log->spans();
  ASSERT_EQ(spans.size(), 8U);
  for (std::size_t i = 1; i < spans.size(); ++i) EXPECT_LE(spans[i - 1].end, spans[i].begin);
}

TEST_F(SlicedGraphTest, TheLookAheadIsRequestedOrChosen) {
  EXPECT_EQ(SlicedGraph(capture(8), lane_, {.longest = nanoseconds(1), .look_ahead = 3}).look_ahead(), 3);
  const int chosen = SlicedGraph(capture(8), lane_, {}).look_ahead();
  EXPECT_GE(chosen, 0);
  EXPECT_LE(chosen, 1);
}

TEST_F(SlicedGraphTest, TheLookAheadLimitsWholeGraphsInFlight) {
  SlicedGraph graph(capture(1), lane_, {.look_ahead = 1});
  fake_.set_events_done(false);
  const auto before = fake_.launches().size();
  std::jthread best_effort([&] {
    for (int run = 0; run < 5; ++run) graph.run(gate_, lane_);
  });
  expect_launches(before + 2);
  fake_.set_events_done(true);
  best_effort.join();
  EXPECT_EQ(fake_.launches().size(), before + 5);
}

class LongSliceTest : public SlicedGraphTest {
 protected:
  LongSliceTest() : SlicedGraphTest({.nodes = std::vector<fake::Node>(4, {.time = hours(1)})}) {}

  // Starts a run, whose first slice should take an hour.
  std::jthread start(SlicedGraph& graph) {
    fake_.set_events_done(false);
    const auto before = launches();
    std::jthread best_effort([&] { graph.run(*closing_, lane_); });
    expect_launches(before + 1);  // the second slice is not needed yet
    return best_effort;
  }
  void end_all() { fake_.set_events_done(true); }

  std::shared_ptr<Gate> closing_ = std::make_shared<Gate>();
};

TEST_F(LongSliceTest, TheNextSliceIsLaunchedWhenTheRunningOneIsAboutToEnd) {
  SlicedGraph graph(capture(4), lane_, {.longest = nanoseconds(1)});
  EXPECT_EQ(graph.in_flight(), hours(1) + detail::kLaunchLead);
  const auto best_effort = start(graph);
  end_all();
}

TEST_F(LongSliceTest, ASliceThatEndsEarlyIsFollowedAtOnce) {
  SlicedGraph graph(capture(3), lane_, {.longest = nanoseconds(1)});
  const auto best_effort = start(graph);
  const auto before = launches();
  fake_.set_launches_done(before);
  wait_for_launches(before + 1);
  end_all();
}

TEST_F(LongSliceTest, OneSliceIsInFlightAfterAHold) {
  SlicedGraph graph(capture(4), lane_, {.longest = nanoseconds(1)});
  const auto before = launches();
  auto urgent = std::make_optional(Gate::close(closing_, lane_.unit_set(), hours(1)));
  fake_.set_events_done(false);
  const std::jthread best_effort([&] { graph.run(*closing_, lane_); });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(launches(), before);
  urgent.reset();
  expect_launches(before + 1);  // otherwise another urgent call would wait for two slices
  end_all();
}

TEST_F(LongSliceTest, AMovedGraphKnowsItsSlices) {
  const auto whole = capture(4);
  const SlicedGraph graph(whole, lane_, {.longest = nanoseconds(1)});
  auto moved = graph.moved(whole, lane_, 2.0);
  EXPECT_EQ(moved.in_flight(), hours(2) + detail::kLaunchLead);
  const auto best_effort = start(moved);
  end_all();
}

TEST_F(LongSliceTest, ATimeThatWasTooLongIsCorrectedByARun) {
  SlicedGraph two(capture(2), lane_, {.longest = nanoseconds(1)});
  const auto run = [&] { return std::jthread([&] { two.run(*closing_, lane_); }); };
  fake_.set_events_done(false);
  const auto before = launches();
  {
    const auto best_effort = run();
    wait_for_launches(before + 1);
    fake_.set_launches_done(before + 1);  // the first slice takes milliseconds
  }
  EXPECT_EQ(launches(), before + 2);
  fake_.set_launches_done(before + 2);
  const auto best_effort = run();
  wait_for_launches(before + 4);  // though the first slice has not ended
  end_all();
}

TEST_F(LongSliceTest, SlicesThatWereNotMeasuredAreLaunchedAtOnce) {
  SlicedGraph graph(capture(4), lane_, {}, /*measure=*/false);
  EXPECT_EQ(graph.in_flight(), nanoseconds(0));
  fake_.set_events_done(false);
  const auto before = launches();
  const std::jthread best_effort([&] { graph.run(*closing_, lane_); });
  wait_for_launches(before + 2);  // though the first slice has not ended
  end_all();
}

class LongKernelTest : public SlicedGraphTest {
 protected:
  explicit LongKernelTest(bool names = true)
      : SlicedGraphTest({.kernel_names = names,
                         .nodes = {{},
                                   {.kernel = "_Z6matmulPf", .time = microseconds(1090)},
                                   {.kernel = "norm", .time = microseconds(2000), .is_of_module = true},
                                   {.kernel = nullptr, .time = microseconds(3000)}}}) {}
};

TEST_F(LongKernelTest, TheLongestIsNamedAsInTheSource) {
  EXPECT_EQ(SlicedGraph(capture(2), lane_, {}).long_kernel(),
            (LongKernel{.name = "matmul(float*)", .time = microseconds(1090), .kernels = 1}));
}

TEST_F(LongKernelTest, AKernelOfAModuleIsNamedAndACopyIsNone) {
  EXPECT_EQ(SlicedGraph(capture(8), lane_, {}).long_kernel(),
            (LongKernel{.name = "norm", .time = microseconds(2000), .kernels = 1}));
  EXPECT_EQ(fake_.calls_of("cuKernelGetName"), 1) << "of matmul, which was the longest until then";
}

TEST_F(LongKernelTest, AGraphOfOneKernelIsMeasured) {
  fake_.configure({.nodes = {{.kernel = "attention", .time = microseconds(500)}}});
  const SlicedGraph graph(capture(1), lane_, {});
  EXPECT_EQ(graph.long_kernel(), (LongKernel{.name = "attention", .time = microseconds(500), .kernels = 1}));
  EXPECT_THAT(graph.obstacle(), HasSubstr("no point that every path crosses"));
  EXPECT_EQ(SlicedGraph(capture(1), lane_, {}, /*measure=*/false).long_kernel(), std::nullopt);
}

TEST_F(LongKernelTest, AKernelWithinTheSlicesIsNotReported) {
  EXPECT_EQ(SlicedGraph(capture(1), lane_, {}).long_kernel(), std::nullopt);
  EXPECT_EQ(SlicedGraph(capture(8), lane_, {.longest = milliseconds(3)}).long_kernel(), std::nullopt);
  EXPECT_EQ(SlicedGraph(capture(8), lane_, {}, /*measure=*/false).long_kernel(), std::nullopt);
}

class NamelessKernelTest : public LongKernelTest {
 protected:
  NamelessKernelTest() : LongKernelTest(false) {}
};

TEST_F(NamelessKernelTest, AnOldDriverTellsTheTimeOnly) {
  EXPECT_EQ(SlicedGraph(capture(2), lane_, {}).long_kernel(),
            (LongKernel{.name = "", .time = microseconds(1090), .kernels = 1}));
}

class UncuttableTest : public SlicedGraphTest {
 protected:
  UncuttableTest() : SlicedGraphTest({.graphs_with_memory = true}) {}
};

TEST_F(UncuttableTest, AGraphThatCannotBeClonedIsLaunchedWhole) {
  SlicedGraph graph(capture(8), lane_, {});
  EXPECT_THAT(graph.obstacle(), HasSubstr("cuGraphClone"));
  EXPECT_EQ(run(graph), std::vector<std::size_t>{8});
}

class OldDriverTest : public SlicedGraphTest {
 protected:
  OldDriverTest() : SlicedGraphTest({.graph_get_edges = false}) {}
};

TEST_F(OldDriverTest, ADriverWithoutEdgesCutsNothing) {
  SlicedGraph graph(capture(8), lane_, {});
  EXPECT_THAT(graph.obstacle(), HasSubstr("older than CUDA 12.3"));
  EXPECT_EQ(run(graph), std::vector<std::size_t>{8});
}

}  // namespace
}  // namespace greenlane

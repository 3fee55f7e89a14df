#include "core/graphs/graph_slices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

GraphShape shape(int nodes, std::vector<GraphShape::Edge> edges) {
  return {.nodes = nodes, .edges = std::move(edges), .memory_nodes = {}};
}

// Checks that every node is there exactly once, and no node before one that it depends on.
void expect_whole(const GraphShape& graph, const std::vector<Slice>& slices) {
  std::map<int, std::size_t> slice_of;
  for (std::size_t slice = 0; slice < slices.size(); ++slice) {
    for (const int node : slices[slice])
      EXPECT_TRUE(slice_of.emplace(node, slice).second) << node << " is in two slices";
  }
  EXPECT_EQ(slice_of.size(), static_cast<std::size_t>(graph.nodes));
  for (const auto& edge : graph.edges) EXPECT_LE(slice_of.at(edge.from), slice_of.at(edge.to));
}

TEST(FinestSlices, AChainIsCutEverywhere) {
  EXPECT_THAT(finest_slices(shape(4, {{0, 1}, {1, 2}, {2, 3}})),
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2), ElementsAre(3)));
  // The numbers of the nodes do not matter.
  EXPECT_THAT(finest_slices(shape(3, {{2, 0}, {0, 1}})), ElementsAre(ElementsAre(2), ElementsAre(0), ElementsAre(1)));
}

TEST(FinestSlices, ADiamondIsCutOnlyAtItsEnds) {
  EXPECT_THAT(finest_slices(shape(5, {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {3, 4}})),
              ElementsAre(ElementsAre(0), UnorderedElementsAre(1, 2, 3), ElementsAre(4)));
}

TEST(FinestSlices, BranchesThatNeverJoinAreNotCut) {
  EXPECT_THAT(finest_slices(shape(4, {{0, 1}, {2, 3}})), ElementsAre(UnorderedElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(finest_slices(shape(4, {{0, 1}, {0, 2}, {2, 3}})),
              ElementsAre(ElementsAre(0), UnorderedElementsAre(1, 2, 3)));
}

TEST(FinestSlices, AnEdgeThatSkipsNodesIsNoBranch) {
  EXPECT_THAT(finest_slices(shape(3, {{0, 1}, {1, 2}, {0, 2}})),
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
}

TEST(FinestSlices, ProgrammaticEdgesAreNotCut) {
  auto graph = shape(4, {{0, 1}, {1, 2, true}, {2, 3}});
  EXPECT_THAT(finest_slices(graph), ElementsAre(ElementsAre(0), ElementsAre(1, 2), ElementsAre(3)));
}

TEST(FinestSlices, MemoryNodesStayInOneSlice) {
  auto graph = shape(6, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}});
  graph.memory_nodes = {1, 3};
  EXPECT_THAT(finest_slices(graph), ElementsAre(ElementsAre(0), ElementsAre(1, 2, 3), ElementsAre(4), ElementsAre(5)));
}

TEST(FinestSlices, SmallGraphsHaveOneSlice) {
  EXPECT_THAT(finest_slices(shape(1, {})), ElementsAre(ElementsAre(0)));
  EXPECT_EQ(finest_slices(shape(0, {})).size(), 1U);
}

TEST(FinestSlices, SlicesOfRandomGraphsAreComplete) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    const int nodes = 1 + static_cast<int>(random() % 24);
    std::vector<int> numbers(static_cast<std::size_t>(nodes));
    for (int i = 0; i < nodes; ++i) numbers[static_cast<std::size_t>(i)] = i;
    std::ranges::shuffle(numbers, random);
    GraphShape graph{.nodes = nodes, .edges = {}, .memory_nodes = {}};
    for (int i = 0; i < nodes; ++i) {
      for (int j = i + 1; j < nodes; ++j) {
        if (random() % 4 == 0 || (j == i + 1 && random() % 2 == 0))
          graph.edges.push_back({.from = numbers[static_cast<std::size_t>(i)],
                                 .to = numbers[static_cast<std::size_t>(j)],
                                 .programmatic = random() % 8 == 0});
      }
      if (random() % 10 == 0) graph.memory_nodes.push_back(i);
    }
    const auto slices = finest_slices(graph);
    expect_whole(graph, slices);
    std::map<int, std::size_t> slice_of;
    for (std::size_t slice = 0; slice < slices.size(); ++slice) {
      for (const int node : slices[slice]) slice_of[node] = slice;
    }
    for (const auto& edge : graph.edges) {
      if (!edge.programmatic) continue;
      EXPECT_EQ(slice_of.at(edge.from), slice_of.at(edge.to));
    }
    for (const int node : graph.memory_nodes) EXPECT_EQ(slice_of.at(node), slice_of.at(graph.memory_nodes.front()));
  }
}

TEST(MergedSlices, SlicesAreMergedUpToTheLimit) {
  const std::vector<Slice> fine{{0}, {1}, {2}, {3}, {4}};
  const std::vector<nanoseconds> times{microseconds(10), microseconds(10), microseconds(10), microseconds(50),
                                       microseconds(5)};
  EXPECT_THAT(merge_slices(fine, times, microseconds(25)),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3), ElementsAre(4)));
  EXPECT_EQ(merge_slices(fine, times, microseconds(1000)).size(), 1U);
  EXPECT_EQ(merge_slices(fine, times, nanoseconds(1)).size(), 5U);
}

}  // namespace
}  // namespace greenlane::detail

#include "core/graphs/graph_cache.hpp"

#include "support/fake_driver_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

namespace greenlane::detail {
namespace {

using std::chrono::nanoseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = GraphCallState;

// Graphs that take the time that the test sets. The backend counts the graphs that are alive.
class Backend {
 public:
  class FakeGraph {
   public:
    FakeGraph(Backend& backend, KernelTarget target) : backend_(backend), target_(target) { ++backend_.alive; }
    ~FakeGraph() { --backend_.alive; }
    FakeGraph(const FakeGraph&) = delete;
    FakeGraph& operator=(const FakeGraph&) = delete;
    nanoseconds time() {
      ++backend_.timed;
      if (backend_.timing_fails) throw std::runtime_error("the device is lost");
      return backend_.times.at(target_);
    }

   private:
    Backend& backend_;
    KernelTarget target_;
  };

  using Cache = GraphCache<FakeGraph, int>;
  Cache::Capture capture() {
    return [this](KernelTarget target) -> std::unique_ptr<FakeGraph> {
      captured.push_back(target);
      if (unfit.contains(target)) throw std::runtime_error("not in a graph\nand a C++ stack");
      return std::make_unique<FakeGraph>(*this, target);
    };
  }

  std::map<KernelTarget, nanoseconds> times{
      {std::nullopt, nanoseconds(1000)}, {48, nanoseconds(800)}, {44, nanoseconds(900)}};
  std::set<KernelTarget> unfit;
  std::vector<KernelTarget> captured;
  int alive = 0;
  int timed = 0;
  bool timing_fails = false;
};

class GraphCacheTest : public ::testing::Test {
 protected:
  static GraphKey key(std::uint64_t place, std::int64_t shape = 1, int units = 48) {
    return {.place = place, .units = units, .signature = {shape}};
  }
  // Makes the engine's second call with this key, which captures.
  std::shared_ptr<Backend::Cache::Entry> capture(const GraphKey& wanted) {
    auto entry = cache_.find(wanted);
    entry->state = State::seen;
    captured_ = cache_.capture(*entry, kTargets, backend_.capture());
    return entry;
  }

  const std::vector<KernelTarget> kTargets{std::nullopt, 48, 44};
  Backend backend_;
  Backend::Cache cache_{"engine", 3};
  bool captured_ = false;
  fake::Warnings warnings_;
};

TEST_F(GraphCacheTest, KeepsTheFastest) {
  EXPECT_EQ(capture(key(1))->target, 48);
  EXPECT_TRUE(captured_);
  EXPECT_EQ(backend_.alive, 1);
}

TEST_F(GraphCacheTest, KeepsKernelsForTheWholeDeviceUnlessOthersAreClearlyFaster) {
  backend_.times = {{std::nullopt, nanoseconds(1000)}, {48, nanoseconds(990)}, {44, nanoseconds(1400)}};
  EXPECT_EQ(capture(key(1))->target, std::nullopt);
}

TEST_F(GraphCacheTest, TimesOnceForEveryShapeAndSizeOfPlace) {
  (void)capture(key(1));
  const int timed = backend_.timed;
  EXPECT_GT(timed, 0);
  backend_.captured.clear();
  EXPECT_EQ(capture(key(2))->target, 48);
  EXPECT_THAT(backend_.captured, ElementsAre(KernelTarget(48))) << "another place of as many units";
  EXPECT_EQ(backend_.timed, timed);
  (void)capture(key(2, 7));
  EXPECT_GT(backend_.timed, timed) << "another shape";
  backend_.captured.clear();
  (void)capture(key(3, 1, 64));
  EXPECT_EQ(backend_.captured.size(), 3U) << "another size";
}

TEST_F(GraphCacheTest, DoesNotTimeASingleCandidate) {
  const auto entry = cache_.find(key(1));
  EXPECT_TRUE(cache_.capture(*entry, std::span(kTargets).first(1), backend_.capture()));
  EXPECT_EQ(backend_.timed, 0);
}

TEST_F(GraphCacheTest, ACandidateThatFailsIsNotTaken) {
  backend_.unfit = {48};
  EXPECT_EQ(capture(key(1))->target, 44);
}

TEST_F(GraphCacheTest, AFailedCaptureLeavesTheEntryToBeTriedAgain) {
  backend_.unfit = {std::nullopt};
  auto entry = capture(key(1));
  EXPECT_FALSE(captured_);
  EXPECT_EQ(entry->state, State::seen);
  EXPECT_EQ(entry->obstacle, "not in a graph");
  EXPECT_THAT(warnings_.texts(), IsEmpty()) << "it may have been the engine's own error";
  backend_.unfit.clear();
  EXPECT_EQ(capture(key(1))->state, State::resident);
  EXPECT_EQ(entry->obstacle, "");
}

TEST_F(GraphCacheTest, AGraphThatCannotBeTimedIsNone) {
  backend_.timing_fails = true;
  const auto entry = capture(key(1));
  EXPECT_FALSE(captured_);
  EXPECT_EQ(entry->graph, nullptr);
  EXPECT_EQ(backend_.alive, 0);
}

TEST_F(GraphCacheTest, RefusesWithOneWarning) {
  backend_.unfit = {std::nullopt};
  for (const std::int64_t shape : {1, 2}) {
    auto entry = capture(key(1, shape));
    cache_.refuse(*entry);
    EXPECT_EQ(cache_.find(key(1, shape))->state, State::refused);
  }
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("engine 'engine' runs without a CUDA graph: not in a graph")));
}

TEST_F(GraphCacheTest, DropsWhatWasUsedLongestAgo) {
  for (const std::int64_t shape : {1, 2, 3}) (void)capture(key(1, shape));
  (void)cache_.find(key(1, 1));
  (void)capture(key(1, 4));
  EXPECT_EQ(backend_.alive, 3);
  EXPECT_EQ(cache_.find(key(1, 1))->state, State::resident);
  EXPECT_EQ(cache_.find(key(1, 2))->state, State::unseen);
}

TEST_F(GraphCacheTest, SaysWhyWhatIsRefusedIsAlsoWhenOthersAreResident) {
  backend_.unfit = {std::nullopt};
  cache_.refuse(*capture(key(1, 1)));
  backend_.unfit.clear();
  (void)capture(key(1, 2));
  EXPECT_EQ(cache_.obstacle(), "not in a graph");
  (void)cache_.drop_all();
  EXPECT_EQ(cache_.obstacle(), "");
}

TEST_F(GraphCacheTest, KeysThatTakeTurnsAreKnownBeyondTheGraphsThatAreKept) {
  for (int turn = 0; turn < 2; ++turn) {
    for (std::int64_t shape = 0; shape < 40; ++shape) {
      const auto entry = cache_.find(key(1, shape));
      EXPECT_EQ(entry->state, turn == 0 ? State::unseen : State::seen);
      entry->state = State::seen;
    }
  }
}

TEST_F(GraphCacheTest, WhatIsInUseOutlivesItsPlaceInTheCache) {
  const auto entry = capture(key(1));
  (void)cache_.drop_all();
  EXPECT_EQ(backend_.alive, 1);
  EXPECT_EQ(entry->state, State::resident);
}

// If the key had no place, the graph of one partition would be replayed for another, and this test would fail.
TEST_F(GraphCacheTest, AGraphOfAnotherPlaceIsNeverFound) {
  (void)capture(key(1));
  EXPECT_EQ(cache_.find(key(2))->state, State::unseen);
  EXPECT_EQ(cache_.find(key(1))->state, State::resident);
}

TEST_F(GraphCacheTest, DropsWhatIsElsewhere) {
  (void)capture(key(1, 1));
  (void)capture(key(1, 2));
  (void)capture(key(2, 1));
  auto dropped = cache_.drop_all_but(1);
  EXPECT_EQ(backend_.alive, 3) << "freed by the caller, under no lock";
  dropped.reset();
  EXPECT_EQ(backend_.alive, 2);
  EXPECT_EQ(cache_.entries().size(), 2U);
  (void)cache_.drop_all();
  EXPECT_EQ(backend_.alive, 0);
}

TEST_F(GraphCacheTest, RemembersNotMoreThanItMust) {
  for (std::int64_t shape = 0; shape < 1000; ++shape) (void)capture(key(1, shape));
  EXPECT_EQ(backend_.alive, 3);
}

}  // namespace
}  // namespace greenlane::detail

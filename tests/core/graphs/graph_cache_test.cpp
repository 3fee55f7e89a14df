#include "core/graphs/graph_cache.hpp"

#include "support/fake_driver_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
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
    nanoseconds mean_time() {
      ++backend_.measured;
      if (backend_.timing_fails) throw std::runtime_error("the device is lost");
      return backend_.times.at(target_) + nanoseconds(1);
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
  int measured = 0;
  bool timing_fails = false;
};

const UnitSetId kFirst = UnitSetId::next();
const UnitSetId kSecond = UnitSetId::next();
const UnitSetId kThird = UnitSetId::next();

class GraphCacheTest : public ::testing::Test {
 protected:
  static GraphKey key(UnitSetId unit_set, std::int64_t shape = 1, int units = 48) {
    return {.unit_set = unit_set, .units = units, .signature = {shape}};
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

TEST_F(GraphCacheTest, EveryThreadRunsACallAsItIsBeforeItCaptures) {
  const auto entry = cache_.find(key(kFirst));
  EXPECT_TRUE(entry->needs_eager_call());
  entry->note_eager_call();
  EXPECT_FALSE(entry->needs_eager_call());
  std::jthread([&] {
    EXPECT_TRUE(entry->needs_eager_call()) << "cuDNN has no handle on this thread yet";
    entry->note_eager_call();
    EXPECT_FALSE(entry->needs_eager_call());
  }).join();
  EXPECT_TRUE(cache_.capture(*entry, kTargets, backend_.capture()));
  std::jthread([&] { EXPECT_FALSE(entry->needs_eager_call()) << "a replay needs no library"; }).join();
}

TEST_F(GraphCacheTest, AProgramWithAThreadPerCallHasAGraphAtLast) {
  const auto entry = cache_.find(key(kFirst));
  std::atomic<int> calls{0};
  int eager = 0;
  std::vector<std::jthread> threads;  // joined at the end only, because a thread's id is used again
  for (int call = 0; call < 20; ++call) {
    threads.emplace_back([&] {
      if (entry->needs_eager_call()) {
        entry->note_eager_call();
        ++eager;
      }
      ++calls;
    });
    while (calls <= call) std::this_thread::yield();
  }
  EXPECT_EQ(eager, 8);
  EXPECT_TRUE(cache_.capture(*entry, kTargets, backend_.capture()));
}

TEST_F(GraphCacheTest, TheFastestCandidateIsKept) {
  EXPECT_EQ(capture(key(kFirst))->target, 48);
  EXPECT_TRUE(captured_);
  EXPECT_EQ(backend_.alive, 1);
}

TEST_F(GraphCacheTest, TheDefaultKernelsWinUnlessOthersAreClearlyFaster) {
  backend_.times = {{std::nullopt, nanoseconds(1000)}, {48, nanoseconds(990)}, {44, nanoseconds(1400)}};
  EXPECT_EQ(capture(key(kFirst))->target, std::nullopt);
}

TEST_F(GraphCacheTest, CandidatesAreTimedOncePerShapeAndSize) {
  (void)capture(key(kFirst));
  const int timed = backend_.timed;
  EXPECT_GT(timed, 0);
  backend_.captured.clear();
  EXPECT_EQ(capture(key(kSecond))->target, 48);
  EXPECT_THAT(backend_.captured, ElementsAre(KernelTarget(48))) << "a unit set of the same size was timed again";
  EXPECT_EQ(backend_.timed, timed);
  (void)capture(key(kSecond, 7));
  EXPECT_GT(backend_.timed, timed) << "another shape was not timed";
  backend_.captured.clear();
  (void)capture(key(kThird, 1, 64));
  EXPECT_EQ(backend_.captured.size(), 3U) << "another size of unit set was not timed";
}

TEST_F(GraphCacheTest, ASingleCandidateIsNotTimed) {
  const auto entry = cache_.find(key(kFirst));
  EXPECT_TRUE(cache_.capture(*entry, std::span(kTargets).first(1), backend_.capture()));
  EXPECT_EQ(backend_.timed, 0);
}

TEST_F(GraphCacheTest, TheKeptGraphIsMeasuredOncePerShapeAndSize) {
  const auto measure = [&](const GraphKey& wanted, std::size_t targets) {
    const auto entry = cache_.find(wanted);
    EXPECT_TRUE(cache_.capture(*entry, std::span(kTargets).first(targets), backend_.capture(), GraphTime::measured));
    return entry->time;
  };
  EXPECT_EQ(measure(key(kFirst), 3), nanoseconds(801));
  EXPECT_EQ(measure(key(kSecond), 3), nanoseconds(801));
  EXPECT_EQ(backend_.measured, 1) << "a unit set of the same size was measured again";
  EXPECT_EQ(measure(key(kThird, 1, 64), 1), nanoseconds(1001)) << "a single candidate was not measured";
}

TEST_F(GraphCacheTest, AModelThatMayNotBeRepeatedIsNotMeasured) {
  EXPECT_EQ(capture(key(kFirst))->time, nanoseconds(0));
  EXPECT_EQ(backend_.measured, 0);
}

TEST_F(GraphCacheTest, AGraphThatCannotBeMeasuredIsKept) {
  backend_.timing_fails = true;
  const auto entry = cache_.find(key(kFirst));
  EXPECT_TRUE(cache_.capture(*entry, std::span(kTargets).first(1), backend_.capture(), GraphTime::measured));
  EXPECT_EQ(backend_.alive, 1);
}

TEST_F(GraphCacheTest, AFailedCandidateIsNotTaken) {
  backend_.unfit = {48};
  EXPECT_EQ(capture(key(kFirst))->target, 44);
}

TEST_F(GraphCacheTest, AFailedCaptureMayBeTriedAgain) {
  backend_.unfit = {std::nullopt};
  auto entry = capture(key(kFirst));
  EXPECT_FALSE(captured_);
  EXPECT_EQ(entry->state, State::seen);
  EXPECT_EQ(entry->obstacle, "not in a graph");
  EXPECT_THAT(warnings_.texts(), IsEmpty())
      << "the first failure gave a warning, although the engine itself may have failed";
  backend_.unfit.clear();
  EXPECT_EQ(capture(key(kFirst))->state, State::resident);
  EXPECT_EQ(entry->obstacle, "");
}

TEST_F(GraphCacheTest, AGraphThatCannotBeTimedIsDropped) {
  backend_.timing_fails = true;
  const auto entry = capture(key(kFirst));
  EXPECT_FALSE(captured_);
  EXPECT_EQ(entry->graph, nullptr);
  EXPECT_EQ(backend_.alive, 0);
}

TEST_F(GraphCacheTest, RefusedEntriesGiveOneWarning) {
  backend_.unfit = {std::nullopt};
  for (const std::int64_t shape : {1, 2}) {
    auto entry = capture(key(kFirst, shape));
    cache_.refuse(*entry);
    EXPECT_EQ(cache_.find(key(kFirst, shape))->state, State::refused);
  }
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("engine 'engine' runs without a CUDA graph: not in a graph")));
}

TEST_F(GraphCacheTest, TheLeastRecentlyUsedGraphIsDropped) {
  for (const std::int64_t shape : {1, 2, 3}) (void)capture(key(kFirst, shape));
  (void)cache_.find(key(kFirst, 1));
  (void)capture(key(kFirst, 4));
  EXPECT_EQ(backend_.alive, 3);
  EXPECT_EQ(cache_.find(key(kFirst, 1))->state, State::resident);
  EXPECT_EQ(cache_.find(key(kFirst, 2))->state, State::unseen);
}

TEST_F(GraphCacheTest, TheObstacleIsKeptBesideResidentGraphs) {
  backend_.unfit = {std::nullopt};
  cache_.refuse(*capture(key(kFirst, 1)));
  backend_.unfit.clear();
  (void)capture(key(kFirst, 2));
  EXPECT_EQ(cache_.obstacle(), "not in a graph");
  (void)cache_.drop_all();
  EXPECT_EQ(cache_.obstacle(), "");
}

TEST_F(GraphCacheTest, MoreKeysThanGraphsAreRemembered) {
  for (int turn = 0; turn < 2; ++turn) {
    for (std::int64_t shape = 0; shape < 40; ++shape) {
      const auto entry = cache_.find(key(kFirst, shape));
      EXPECT_EQ(entry->state, turn == 0 ? State::unseen : State::seen);
      entry->state = State::seen;
    }
  }
}

TEST_F(GraphCacheTest, AnEntryInUseOutlivesItsRemoval) {
  const auto entry = capture(key(kFirst));
  (void)cache_.drop_all();
  EXPECT_EQ(backend_.alive, 1);
  EXPECT_EQ(entry->state, State::resident);
}

// If the key had no unit set, the graph of one partition would be replayed for another, and this test would fail.
TEST_F(GraphCacheTest, AGraphOfAnotherUnitSetIsNeverFound) {
  (void)capture(key(kFirst));
  EXPECT_EQ(cache_.find(key(kSecond))->state, State::unseen);
  EXPECT_EQ(cache_.find(key(kFirst))->state, State::resident);
}

TEST_F(GraphCacheTest, GraphsOfOtherUnitSetsAreDropped) {
  (void)capture(key(kFirst, 1));
  (void)capture(key(kFirst, 2));
  (void)capture(key(kSecond, 1));
  auto dropped = cache_.drop_all_but(kFirst);
  EXPECT_EQ(backend_.alive, 3) << "the graphs were freed under the cache's lock";
  dropped.reset();
  EXPECT_EQ(backend_.alive, 2);
  EXPECT_EQ(cache_.entries().size(), 2U);
  (void)cache_.drop_all();
  EXPECT_EQ(backend_.alive, 0);
}

TEST_F(GraphCacheTest, NamedGraphsAreDropped) {
  (void)capture(key(kFirst, 1));
  (void)capture(key(kFirst, 2));
  auto dropped = cache_.drop_if([](const GraphKey& key) { return key.signature.front() == 1; });
  EXPECT_EQ(backend_.alive, 2) << "the graph was freed under the cache's lock";
  dropped.reset();
  EXPECT_EQ(backend_.alive, 1);
  EXPECT_EQ(cache_.find(key(kFirst, 2))->state, State::resident);
}

TEST_F(GraphCacheTest, TheNumberOfGraphsIsBounded) {
  for (std::int64_t shape = 0; shape < 1000; ++shape) (void)capture(key(kFirst, shape));
  EXPECT_EQ(backend_.alive, 3);
}

}  // namespace
}  // namespace greenlane::detail

#include "core/cpu/worker.hpp"

#include "support/matchers.hpp"
#include "support/this_thread.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

namespace greenlane::detail {
namespace {

// The last of the CPUs that this thread may use.
int one_cpu() { return *this_thread::cpus().rbegin(); }

TEST(WorkerTest, RunsOnAThreadOfItsOwnAlwaysTheSame) {
  Worker worker("policy", {}, {});
  std::set<std::thread::id> ids;
  for (int i = 0; i < 3; ++i) worker.run([&] { ids.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ids.size(), 1U);
  EXPECT_FALSE(ids.contains(std::this_thread::get_id()));
}

TEST(WorkerTest, ReturnsWhenTheWorkHasReturned) {
  Worker worker("policy", {}, {});
  int done = 0;  // not atomic: run() is the synchronisation
  for (int i = 1; i <= 1000; ++i) {
    worker.run([&] { ++done; });
    ASSERT_EQ(done, i);
  }
}

TEST(WorkerTest, RunsOnePieceAtATimeAndEachThreadsInItsOrder) {
  constexpr int kThreads = 4;
  constexpr int kPieces = 250;
  Worker worker("policy", {}, {});
  std::vector<std::vector<int>> seen(kThreads);
  int total = 0;  // not atomic: the worker is one thread
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kPieces; ++i) {
          worker.run([&] {
            ++total;
            seen[thread].push_back(i);
          });
        }
      });
    }
  }
  EXPECT_EQ(total, kThreads * kPieces);
  for (const auto& order : seen) EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(WorkerTest, WhatTheWorkThrowsComesOutAndTheWorkerGoesOn) {
  Worker worker("policy", {}, {});
  EXPECT_THROW(worker.run([] { throw std::out_of_range("of the work"); }), std::out_of_range);
  bool ran = false;
  worker.run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(WorkerTest, FromItsOwnThreadItRunsInPlace) {
  Worker worker("policy", {}, {});
  std::vector<int> order;
  worker.run([&] {
    order.push_back(1);
    worker.run([&] { order.push_back(2); });
    order.push_back(3);
  });
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(WorkerTest, WhatThrowsInPlaceComesOutOfTheInnerRun) {
  Worker worker("policy", {}, {});
  bool caught = false;
  worker.run([&] {
    try {
      worker.run([] { throw std::out_of_range("of the work"); });
    } catch (const std::out_of_range&) {
      caught = true;
    }
  });
  EXPECT_TRUE(caught);
}

TEST(WorkerTest, IsPinnedBeforeItsFirstWork) {
  const int cpu = one_cpu();
  Worker worker("policy", {cpu}, {});
  worker.run([&] { EXPECT_EQ(this_thread::cpus(), std::set{cpu}); });
}

TEST(WorkerTest, ThreadsStartedFromTheWorkInheritTheCpus) {
  const int cpu = one_cpu();
  Worker worker("policy", {cpu}, {});
  worker.run([&] { std::jthread([&] { EXPECT_EQ(this_thread::cpus(), std::set{cpu}); }); });
}

TEST(WorkerTest, LeavesTheThreadThatMadeItAsItWas) {
  const auto cpus = this_thread::cpus();
  const int niceness = this_thread::niceness();
  Worker worker("policy", {one_cpu()}, std::min(niceness + 1, 19));
  EXPECT_EQ(this_thread::cpus(), cpus);
  EXPECT_EQ(this_thread::niceness(), niceness);
}

TEST(WorkerTest, TakesItsNiceValueAndThreadsStartedFromItInheritIt) {
  const int niceness = std::min(this_thread::niceness() + 3, 19);
  Worker worker("policy", {}, niceness);
  worker.run([&] {
    EXPECT_EQ(this_thread::niceness(), niceness);
    std::jthread([&] { EXPECT_EQ(this_thread::niceness(), niceness); });
  });
}

TEST(WorkerTest, CarriesTheLanesNameAsFarAsItFits) {
  Worker worker("perception-and-more", {}, {});
  worker.run([] { EXPECT_EQ(this_thread::name(), "lane perception"); });
}

TEST(WorkerTest, CpusThatAreNotThereAreRefused) {
  EXPECT_THAT([] { Worker("policy", {1'000'000}, {}); },
              refuses<DeviceError>("lane 'policy' could not be pinned", "taskset -p"));
}

TEST(WorkerTest, WorkThatComesBackByWayOfAnotherRunsInside) {
  Worker outer("outer", {}, {});
  Worker inner("inner", {}, {});
  std::vector<std::thread::id> ids;
  const auto note = [&] { ids.push_back(std::this_thread::get_id()); };
  for (int i = 0; i < 100; ++i) {
    ids.clear();
    outer.run([&] {
      note();
      inner.run([&] {
        note();
        outer.run([&] {
          note();
          inner.run(note);
        });
      });
      note();
    });
    ASSERT_EQ(ids.size(), 5U);
    EXPECT_EQ(ids[0], ids[2]);
    EXPECT_EQ(ids[0], ids[4]);
    EXPECT_EQ(ids[1], ids[3]);
    EXPECT_NE(ids[0], ids[1]);
  }
}

TEST(WorkerTest, OtherWorkWaitsUntilWorkThatWaitsForAnotherIsOver) {
  Worker outer("outer", {}, {});
  Worker inner("inner", {}, {});
  std::vector<int> order;
  std::atomic<bool> queued{false};
  std::jthread other;
  outer.run([&] {
    other = std::jthread([&] {
      queued = true;
      outer.run([&] { order.push_back(2); });
    });
    while (!queued) std::this_thread::yield();
    inner.run([&] { order.push_back(0); });
    order.push_back(1);
  });
  other.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(WorkerTest, WhatIsThrownComesBackThroughBothWorkers) {
  Worker outer("outer", {}, {});
  Worker inner("inner", {}, {});
  const auto broken = [] { throw std::runtime_error("broken"); };
  EXPECT_THROW(outer.run([&] { inner.run([&] { outer.run(broken); }); }), std::runtime_error);
  outer.run([] {});
  inner.run([] {});
}

}  // namespace
}  // namespace greenlane::detail

#include "core/cpu/worker.hpp"

#include "support/matchers.hpp"
#include "support/this_thread.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
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

}  // namespace
}  // namespace greenlane::detail

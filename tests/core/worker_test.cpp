#include "core/cpu/worker.hpp"

#include "support/matchers.hpp"
#include "support/this_thread.hpp"

#include <greenlane/core/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <thread>

namespace greenlane::detail {
namespace {

// Returns the last CPU that this thread may use.
int one_cpu() { return *this_thread::cpus().rbegin(); }

TEST(WorkerTest, AWorkerHasOneThread) {
  Worker worker("policy", {}, {});
  std::set<std::thread::id> ids;
  for (int i = 0; i < 3; ++i) worker.run([&] { ids.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ids.size(), 1U);
  EXPECT_FALSE(ids.contains(std::this_thread::get_id()));
}

TEST(WorkerTest, RunWaitsForTheWork) {
  Worker worker("policy", {}, {});
  int done = 0;  // not atomic: run() is the synchronisation
  for (int i = 1; i <= 1000; ++i) {
    worker.run([&] { ++done; });
    ASSERT_EQ(done, i);
  }
}

TEST(WorkerTest, WorkOfEachThreadRunsInOrder) {
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

TEST(WorkerTest, RunRethrowsAndTheWorkerContinues) {
  Worker worker("policy", {}, {});
  EXPECT_THROW(worker.run([] { throw std::out_of_range("of the work"); }), std::out_of_range);
  bool ran = false;
  worker.run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(WorkerTest, NestedWorkRunsAtOnce) {
  Worker worker("policy", {}, {});
  std::vector<int> order;
  worker.run([&] {
    order.push_back(1);
    worker.run([&] { order.push_back(2); });
    order.push_back(3);
  });
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(WorkerTest, TheInnerRunRethrowsItsException) {
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

TEST(WorkerTest, AWorkerIsPinnedBeforeItsFirstWork) {
  const int cpu = one_cpu();
  Worker worker("policy", {cpu}, {});
  worker.run([&] { EXPECT_EQ(this_thread::cpus(), std::set{cpu}); });
}

TEST(WorkerTest, ThreadsOfTheWorkInheritTheCpus) {
  const int cpu = one_cpu();
  Worker worker("policy", {cpu}, {});
  worker.run([&] { std::jthread([&] { EXPECT_EQ(this_thread::cpus(), std::set{cpu}); }); });
}

TEST(WorkerTest, MakingAWorkerLeavesTheCallerUnchanged) {
  const auto cpus = this_thread::cpus();
  const int niceness = this_thread::niceness();
  Worker worker("policy", {one_cpu()}, std::min(niceness + 1, 19));
  EXPECT_EQ(this_thread::cpus(), cpus);
  EXPECT_EQ(this_thread::niceness(), niceness);
}

TEST(WorkerTest, ThreadsOfTheWorkInheritTheNiceValue) {
  const int niceness = std::min(this_thread::niceness() + 3, 19);
  Worker worker("policy", {}, niceness);
  worker.run([&] {
    EXPECT_EQ(this_thread::niceness(), niceness);
    std::jthread([&] { EXPECT_EQ(this_thread::niceness(), niceness); });
  });
}

TEST(WorkerTest, TheThreadHasTheShortenedLaneName) {
  Worker worker("perception-and-more", {}, {});
  worker.run([] { EXPECT_EQ(this_thread::name(), "lane perception"); });
}

TEST(WorkerTest, MissingCpusAreRefused) {
  EXPECT_THAT([] { Worker("policy", {1'000'000}, {}); },
              refuses<DeviceError>("lane 'policy' could not be pinned", "taskset -p"));
}

TEST(WorkerTest, CircularCallsRunOnTheSameThreads) {
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

TEST(WorkerTest, QueuedWorkWaitsForAllOfTheRunningWork) {
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

// Starts two threads, each with work on one worker. When both are under way, each calls the other worker.
void call_each_other(std::span<Worker* const> workers, std::atomic<int>& done) {
  std::atomic<std::size_t> under_way{0};
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      workers[i]->run([&] {
        ++under_way;
        while (under_way < workers.size()) std::this_thread::yield();
        workers[(i + 1) % workers.size()]->run([&] { ++done; });
      });
    });
  }
}

TEST(WorkerTest, TwoWorkersMayCallEachOther) {
  Worker a("a", {}, {});
  Worker b("b", {}, {});
  const std::vector<Worker*> workers{&a, &b};
  std::atomic<int> done{0};
  for (int i = 0; i < 50; ++i) call_each_other(workers, done);
  EXPECT_EQ(done, 100);
}

TEST(WorkerTest, WorkersMayCallEachOtherInACircle) {
  std::vector<std::unique_ptr<Worker>> owned;
  std::vector<Worker*> workers;
  for (int i = 0; i < 7; ++i)
    workers.push_back(
        owned.emplace_back(std::make_unique<Worker>(std::to_string(i), std::vector<int>{}, std::nullopt)).get());
  std::atomic<int> done{0};
  for (int i = 0; i < 20; ++i) call_each_other(workers, done);
  EXPECT_EQ(done, 140);
}

TEST(WorkerTest, RandomNestedCallsEnd) {
  constexpr int kWorkers = 4;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < kWorkers; ++i)
    workers.push_back(std::make_unique<Worker>(std::to_string(i), std::vector<int>{}, std::nullopt));
  std::atomic<int> leaves{0};
  // Each call makes two more on workers that depend on the path to it.
  const std::function<void(unsigned, int)> call = [&](unsigned path, int depth) {
    workers[path % kWorkers]->run([&, path, depth] {
      if (depth == 0) {
        ++leaves;
        return;
      }
      call(path * 7 + 1, depth - 1);
      call(path * 5 + 3, depth - 1);
    });
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 6; ++i) threads.emplace_back([&, i] { call(i, 6); });
  }
  EXPECT_EQ(leaves, 6 * 64);
}

TEST(WorkerTest, WorkOutsideACircleWaitsItsTurn) {
  // c calls a while a's work waits for b. b is busy but waits for nobody, so there is no circle.
  Worker a("a", {}, {});
  Worker b("b", {}, {});
  Worker c("c", {}, {});
  std::atomic<bool> is_b_busy{false};
  std::atomic<bool> is_c_under_way{false};
  std::vector<int> order;  // of the calls on a, which is one thread
  std::jthread on_b([&] {
    b.run([&] {
      is_b_busy = true;
      while (!is_c_under_way) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    });
  });
  while (!is_b_busy) std::this_thread::yield();
  std::jthread on_c;
  a.run([&] {
    on_c = std::jthread([&] {
      c.run([&] {
        is_c_under_way = true;
        a.run([&] { order.push_back(2); });
      });
    });
    b.run([] {});
    order.push_back(1);
  });
  on_c.join();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(WorkerTest, OnlyQueuedWorkCanBeCancelled) {
  Worker worker("policy", {}, {});
  std::atomic<bool> go{false};
  std::atomic<bool> begun{false};
  bool ran = false;
  const auto first = worker.submit([&] {
    begun = true;
    while (!go) std::this_thread::yield();
  });
  const auto second = worker.submit([&] { ran = true; });
  while (!begun) std::this_thread::yield();
  EXPECT_FALSE(first->cancel());
  EXPECT_TRUE(second->cancel());
  EXPECT_TRUE(second->wait_for(std::chrono::seconds(0)));
  EXPECT_FALSE(first->wait_for(std::chrono::milliseconds(1)));
  go = true;
  first->wait();
  EXPECT_TRUE(first->cancel());
  worker.run([] {});
  EXPECT_FALSE(ran);
}

TEST(WorkerTest, FinishedWorkReleasesItsCaptures) {
  Worker worker("policy", {}, {});
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = owned;
  worker.submit([owned = std::move(owned)] {})->wait();
  EXPECT_TRUE(seen.expired());
}

TEST(WorkerTest, AnExceptionPassesThroughBothWorkers) {
  Worker outer("outer", {}, {});
  Worker inner("inner", {}, {});
  const auto broken = [] { throw std::runtime_error("broken"); };
  EXPECT_THROW(outer.run([&] { inner.run([&] { outer.run(broken); }); }), std::runtime_error);
  outer.run([] {});
  inner.run([] {});
}

}  // namespace
}  // namespace greenlane::detail

// The threads that do an engine's work, and the CPUs on which they may run.
#include "support/torch_models.hpp"
#include "support/torch_threads.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <atomic>
#include <barrier>
#include <map>
#include <thread>

namespace greenlane {
namespace {

using models::load;
using ::testing::ElementsAre;
using ::testing::Pair;

std::set<int> set_of(std::span<const int> cpus) { return {cpus.begin(), cpus.end()}; }

// The number of threads that a thread of this process starts with, read before any engine ran.
const int kThreads = at::get_num_threads();

// Returns the number of threads for each set of CPUs.
std::map<std::set<int>, int> threads_by_cpus(const std::set<int>& threads) {
  std::map<std::set<int>, int> threads_on;
  for (const int thread : threads) ++threads_on[threads::cpus_of(thread)];
  return threads_on;
}

class AotiThreadsTest : public ::testing::Test {
 protected:
  // Runs the engine in the calling thread. A comparison of results may start threads, so it comes later.
  std::vector<at::Tensor> run() { return engine_->run(inputs_); }
  static void expect_right(const std::vector<at::Tensor>& outputs) {
    EXPECT_EQ(difference(outputs, models::outputs_of("threads")), "");
  }

  Device cpu_ = Device::open("cpu");
  int cores_ = cpu_.info().units.count;
  std::shared_ptr<AotiEngine> engine_ = load("threads");
  const std::vector<at::Tensor> inputs_ = models::inputs_of("threads");
  const std::set<int> before_ = threads::all();
};

TEST_F(AotiThreadsTest, ALaneHasOneThreadPerCore) {
  for (int units = 1; units <= cores_ && units <= 4; ++units) {
    const auto before = threads::all();
    const auto partition = cpu_.partition("some", units);
    engine_->bind(Lane::create(partition));
    const auto outputs = run();
    EXPECT_THAT(threads_by_cpus(threads::since(before)), ElementsAre(Pair(set_of(partition.cpus()), units)));
    engine_->unbind();
    expect_right(outputs);
  }
}

TEST_F(AotiThreadsTest, ThreadsStayOnTheLanesCoresDuringRuns) {
  std::atomic<bool> begun{false};
  std::atomic<bool> done{false};
  std::jthread caller([&] {
    begun.wait(false);
    while (!done) (void)run();
  });
  const auto before = threads::all();
  const auto partition = cpu_.partition("one", 1);
  const auto lane = Lane::create(partition);
  engine_->bind(lane);
  begun = true;
  begun.notify_one();
  for (int i = 0; i < 20; ++i) {
    lane.synchronize();  // waits for a run; the check is then beside the next one
    EXPECT_THAT(threads_by_cpus(threads::since(before)), ElementsAre(Pair(set_of(partition.cpus()), 1)));
  }
  done = true;
}

TEST_F(AotiThreadsTest, TheLanesThreadDoesTheWork) {
  engine_->bind(Lane::create(cpu_.partition("one", 1)));
  (void)run();
  const double caller = threads::cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
  const double process = threads::cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < 20; ++i) (void)run();
  const double by_caller = threads::cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - caller;
  const double by_process = threads::cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - process;
  EXPECT_LT(by_caller, by_process / 4);
}

TEST_F(AotiThreadsTest, TwoEnginesRunAtOnceOnTheirCores) {
  if (cores_ < 2) GTEST_SKIP() << "this machine has one core, which cannot be divided";
  const auto other = load("threads", {.name = "other"});
  const auto lanes = cpu_.partition({{"left", 1}, {"right", 1}});
  engine_->bind(lanes["left"]);
  other->bind(lanes["right"]);
  std::barrier both(2);
  std::vector<at::Tensor> left;
  std::vector<at::Tensor> right;
  const auto run_often = [&](AotiEngine& engine, std::vector<at::Tensor>& outputs) {
    for (int i = 0; i < 10; ++i) {
      both.arrive_and_wait();
      outputs = engine.run(inputs_);
    }
  };
  {
    const std::jthread first([&] { run_often(*engine_, left); });
    const std::jthread second([&] { run_often(*other, right); });
  }
  auto threads_on = threads_by_cpus(threads::since(before_));
  EXPECT_EQ(threads_on[set_of(lanes["left"].partition()->cpus())], 1);
  EXPECT_EQ(threads_on[set_of(lanes["right"].partition()->cpus())], 1);
  expect_right(left);
  expect_right(right);
}

TEST_F(AotiThreadsTest, ThreadsOfAWholeDeviceLaneAreNotPinned) {
  engine_->bind(Lane::create(cpu_));
  (void)run();
  ASSERT_FALSE(threads::since(before_).empty());
  for (const int thread : threads::since(before_)) EXPECT_EQ(threads::cpus_of(thread), threads::cpus_of(0));
}

TEST_F(AotiThreadsTest, TheCallersCoresAndThreadsAreUnchanged) {
  const auto cpus = threads::cpus_of(0);
  engine_->bind(Lane::create(cpu_.partition("one", 1)));
  (void)run();
  EXPECT_EQ(threads::cpus_of(0), cpus);
  EXPECT_EQ(at::get_num_threads(), kThreads);
  std::jthread([&] { EXPECT_EQ(at::get_num_threads(), kThreads); });
}

}  // namespace
}  // namespace greenlane

#include "core/cpu/cpu_topology.hpp"
#include "core/device_state.hpp"
#include "support/forked.hpp"
#include "support/matchers.hpp"
#include "support/this_thread.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace greenlane {
namespace {

using ::testing::HasSubstr;

class CpuLaneTest : public ::testing::Test {
 protected:
  ~CpuLaneTest() override { detail::forget_devices(); }

  static std::set<int> set_of(std::span<const int> cpus) { return {cpus.begin(), cpus.end()}; }
  static std::set<int> cpus_inside(const Lane& lane) {
    std::set<int> cpus;
    lane.run([&] { cpus = this_thread::cpus(); });
    return cpus;
  }
  static std::thread::id thread_of(const Lane& lane) {
    std::thread::id id;
    lane.run([&] { id = std::this_thread::get_id(); });
    return id;
  }

  Device cpu_ = Device::open("cpu");
  int cores_ = cpu_.info().units.count;
};

TEST_F(CpuLaneTest, TheUnitsAreTheAllowedCpus) {
  EXPECT_EQ(set_of(detail::allowed_cpus()), this_thread::cpus());
  EXPECT_EQ(cores_, static_cast<int>(this_thread::cpus().size()));
}

TEST_F(CpuLaneTest, ALaneIsPinnedToTheCpusOfItsPartition) {
  const auto partition = cpu_.partition("policy", 1);
  EXPECT_EQ(partition.units().count, 1);
  EXPECT_EQ(partition.cpus().size(), 1U);
  EXPECT_EQ(cpus_inside(Lane::create(partition)), set_of(partition.cpus()));
}

TEST_F(CpuLaneTest, ThreadsOfTheWorkStayInThePartition) {
  const auto partition = cpu_.partition("policy", 1);
  Lane::create(partition).run([&] { std::jthread([&] { EXPECT_EQ(this_thread::cpus(), set_of(partition.cpus())); }); });
}

TEST_F(CpuLaneTest, TwoLanesAreDisjoint) {
  if (cores_ < 2) GTEST_SKIP() << "this machine has one core, which cannot be divided";
  const auto lanes = cpu_.partition({{"policy", 1}, {"vision", rest}});
  const auto policy = cpus_inside(lanes["policy"]);
  const auto vision = cpus_inside(lanes["vision"]);
  EXPECT_EQ(policy.size() + vision.size(), static_cast<std::size_t>(cores_));
  EXPECT_TRUE(std::ranges::none_of(policy, [&](int cpu) { return vision.contains(cpu); }));
  EXPECT_NE(thread_of(lanes["policy"]), thread_of(lanes["vision"]));
}

TEST_F(CpuLaneTest, LanesOfOnePartitionHaveSeparateThreads) {
  const auto partition = cpu_.partition("policy", 1);
  const auto a = Lane::create(partition);
  const auto b = Lane::create(partition);
  EXPECT_NE(thread_of(a), thread_of(b));
  EXPECT_EQ(cpus_inside(a), cpus_inside(b));
}

TEST_F(CpuLaneTest, ALaneOnTheWholeCpuIsNotPinned) {
  const auto lane = Lane::create(cpu_);
  EXPECT_EQ(lane.units().count, cores_);
  EXPECT_EQ(cpus_inside(lane), set_of(detail::allowed_cpus()));
}

TEST_F(CpuLaneTest, APinnedThreadCanMakeAnUnpinnedLane) {
  if (cores_ < 2) GTEST_SKIP() << "this machine has one core, so a partition is the whole CPU";
  const auto pinned = Lane::create(cpu_.partition("policy", 1));
  std::optional<Lane> lane;
  pinned.run([&] { lane = Lane::create(cpu_); });
  EXPECT_EQ(cpus_inside(*lane), set_of(detail::allowed_cpus()));
}

TEST_F(CpuLaneTest, ThePriorityIsANiceValue) {
  const int niceness = std::min(this_thread::niceness() + 2, 19);
  const auto lane = Lane::create(cpu_, {.name = "nice", .priority = niceness});
  lane.run([&] { EXPECT_EQ(this_thread::niceness(), niceness); });
}

TEST_F(CpuLaneTest, TooManyCoresAreAPartitionError) {
  EXPECT_THAT([&] { (void)cpu_.partition("huge", cores_ + 1); },
              refuses<PartitionError>(std::to_string(cores_ + 1) + " cores of cpu to 'huge'", "cores are free"));
}

TEST_F(CpuLaneTest, CoresReturnWhenTheLastHandleGoes) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(cpu_.partition({{"all", rest}})["all"].units().count, cores_);
}

TEST_F(CpuLaneTest, ACpuLaneHasNoStream) {
  const auto lane = Lane::create(cpu_, {.name = "mine", .priority = {}});
  EXPECT_THAT([&] { (void)lane.stream(); },
              refuses<StreamError>("lane 'mine' has no stream", "of the CPU", "Lane::run"));
}

TEST_F(CpuLaneTest, RunRethrowsTheExceptionOfTheWork) {
  EXPECT_THROW(Lane::create(cpu_).run([] { throw std::out_of_range("of the work"); }), std::out_of_range);
}

TEST_F(CpuLaneTest, RunInsideTheLaneDoesNotWait) {
  const auto lane = Lane::create(cpu_);
  bool ran = false;
  lane.run([&] {
    lane.run([&] { ran = true; });
    lane.synchronize();
  });
  EXPECT_TRUE(ran);
}

TEST_F(CpuLaneTest, WorkMayDropTheLastHandleOfItsOwnLane) {
  std::optional<Lane> lane = Lane::create(cpu_.partition("policy", 1));
  bool ran = false;
  lane->run([&] {
    lane.reset();
    ran = true;
  });
  EXPECT_TRUE(ran);
  EXPECT_EQ(cpu_.partition("all", rest).units().count, cores_) << "the units of the dropped lane did not return";
}

TEST_F(CpuLaneTest, AClosedLaneStillRunsWork) {
  auto lane = Lane::create(cpu_);
  lane.close();
  lane.keep_stream();
  bool ran = false;
  lane.run([&] { ran = true; });
  EXPECT_TRUE(ran);
  EXPECT_TRUE(lane.is_closed());
}

TEST_F(CpuLaneTest, ABindingHoldsTheCpuLane) {
  StreamBinding binding(cpu_, "engine");
  std::optional<Lane> lane = Lane::create(cpu_.partition("policy", 1));
  binding.set(*lane);
  const auto thread = thread_of(*lane);
  lane.reset();
  EXPECT_EQ(thread_of(*binding.lane()), thread);
  binding.clear();
  EXPECT_EQ(cpu_.partition("all", rest).units().count, cores_);
}

TEST_F(CpuLaneTest, AnEngineMayRebindItselfFromItsLane) {
  StreamBinding binding(cpu_, "engine");
  binding.set(Lane::create(cpu_.partition("policy", 1)));
  binding.lane()->run([&] { binding.clear(); });
  EXPECT_FALSE(binding.is_set());
  EXPECT_EQ(cpu_.partition("all", rest).units().count, cores_);
}

TEST_F(CpuLaneTest, SubmittedWorkRunsInOrder) {
  const auto lane = Lane::create(cpu_);
  std::vector<int> order;
  const auto first = lane.submit([&] { order.push_back(1); });
  const auto second = lane.submit([&] { order.push_back(2); });
  second.get();
  EXPECT_TRUE(first.wait_for(std::chrono::seconds(0)));
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST_F(CpuLaneTest, GetRethrowsTheExceptionOfSubmittedWork) {
  const auto work = Lane::create(cpu_).submit([] { throw std::out_of_range("of the work"); });
  EXPECT_THROW(work.get(), std::out_of_range);
}

TEST_F(CpuLaneTest, RunningWorkHoldsTheLaneWithoutAHandle) {
  std::atomic<bool> begun{false};
  std::atomic<bool> go{false};
  std::atomic<bool> done{false};
  std::optional<LaneWork> work = Lane::create(cpu_.partition("policy", 1)).submit([&] {
    begun = true;
    while (!go) std::this_thread::yield();
    done = true;
  });
  while (!begun) std::this_thread::yield();
  work.reset();
  EXPECT_THROW((void)cpu_.partition("all", cores_), PartitionError)
      << "units were given out while work still ran on them";
  go = true;
  while (!done) std::this_thread::yield();
  const auto all = [&] {
    try {
      return cpu_.partition("all", cores_).units().count == cores_;
    } catch (const PartitionError&) {
      return false;
    }
  };
  for (int i = 0; i < 1000 && !all(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(all()) << "the units did not return after the work ended";
}

TEST_F(CpuLaneTest, QueuedWorkWithoutAHandleIsDropped) {
  const auto lane = Lane::create(cpu_);
  std::atomic<bool> begun{false};
  std::atomic<bool> go{false};
  bool ran = false;
  const auto first = lane.submit([&] {
    begun = true;
    while (!go) std::this_thread::yield();
  });
  while (!begun) std::this_thread::yield();
  (void)lane.submit([&] { ran = true; });
  go = true;
  lane.synchronize();
  EXPECT_FALSE(ran);
}

TEST_F(CpuLaneTest, APinnedThreadSeesAllCpusOfTheProcess) {
  // allowed_cpus() asks the system once. The test therefore needs its own process, in which a pinned thread is the
  // first to call it.
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer loses count of threads that a forked child starts";
#endif
  EXPECT_EQ(in_child([] {
              std::string text;
              std::jthread([&] {
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(*this_thread::cpus().begin(), &one);
                sched_setaffinity(0, sizeof one, &one);
                text = std::to_string(detail::read_allowed_cpus().size());
              }).join();
              return text;
            }),
            std::to_string(this_thread::cpus().size()));
}

TEST_F(CpuLaneTest, ManyThreadsShareALane) {
  const auto lane = Lane::create(cpu_);
  int count = 0;  // not atomic: a lane is one thread
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 100; ++n) lane.run([&] { ++count; });
      });
    }
  }
  EXPECT_EQ(count, 800);
}

}  // namespace
}  // namespace greenlane

#include "support/binding_fixture.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

namespace greenlane {
namespace {

using fake::happens_before;

void run_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
}

class PartitionStressTest : public fake::FakeDriverTest {
 protected:
  // Takes a partition, marks its groups on a board that all threads share, and releases both.
  void take_and_release(const Device& device, int thread, int turn) {
    try {
      auto lane = Lane::create(device.partition("thread " + std::to_string(thread), 8 * (1 + (thread + turn) % 3)));
      if (turn % 2 == 0) lane.keep_stream();
      for (const int group : lane.partition()->groups()) {
        EXPECT_EQ(holders_.at(static_cast<std::size_t>(group)).exchange(thread + 1), 0)
            << "group " << group << " is held twice";
      }
      for (const int group : lane.partition()->groups()) holders_.at(static_cast<std::size_t>(group)) = 0;
      lane.close();
    } catch (const PartitionError&) {
      ++refusals_;
    }
  }
  std::array<std::atomic<int>, 16> holders_{};
  std::atomic<int> refusals_{0};
};

TEST_F(PartitionStressTest, ManyThreadsTakeAndReleasePartitions) {
  const auto device = gpu();
  run_threads(8, [&](int thread) {
    for (int turn = 0; turn < 100; ++turn) take_and_release(device, thread, turn);
  });
  EXPECT_EQ(device.partition("all", rest).units().count, 132);
  EXPECT_LT(refusals_, 800);
}

TEST_F(PartitionStressTest, ManyThreadsOpenAndListDevices) {
  const auto first = gpu();
  run_threads(8, [&](int) {
    for (int turn = 0; turn < 50; ++turn) {
      EXPECT_EQ(Device::open("cuda:0"), first);
      EXPECT_EQ(Device::enumerate().size(), 2U);
    }
  });
}

TEST_F(PartitionStressTest, ManyThreadsMakeLanesOnOnePartition) {
  const auto partition = gpu().partition("policy", 8);
  run_threads(8, [&](int) {
    for (int turn = 0; turn < 50; ++turn) {
      auto lane = Lane::create(partition);
      lane.keep_stream();
      EXPECT_FALSE(lane.is_closed());
      (void)Lane::adopt(gpu(), lane.stream());
      lane.close();
    }
  });
  EXPECT_LE(fake_.live().streams, 8) << "more streams were made than were open at once";
}

TEST_F(PartitionStressTest, ManyThreadsUseAndCloseOneLane) {
  auto lane = Lane::create(gpu().partition("policy", 8));
  StreamBinding binding(gpu(), "engine");
  run_threads(8, [&](int thread) {
    for (int turn = 0; turn < 50; ++turn) {
      if (thread == 0 && turn == 25) lane.close();
      try {
        binding.set(lane);
      } catch (const StreamError&) {
        EXPECT_TRUE(lane.is_closed());
      }
      lane.keep_stream();
      lane.synchronize();
    }
  });
  EXPECT_THROW(binding.set(lane), StreamError);
}

class BindingStressTest : public fake::BindingTest {
 protected:
  static constexpr int kCallers = 4;
  static constexpr int kRebinders = 4;
  static constexpr int kBoundCallsEach = 5000;

  void call_often(StreamView caller) {
    for (int i = 0; i < kBoundCallsEach;) {
      auto call = binding_.enter(caller);
      if (!call.lane()) {
        std::this_thread::yield();  // to the threads that rebind the engine
        continue;
      }
      ++i;
      const auto work = fake_.mark(call.stream());
      EXPECT_TRUE(last_.sequence == 0 || happens_before(last_, work)) << "two calls of one engine overlap";
      last_ = work;  // not atomic: this tests the binding's lock
      ++bound_calls_;
      if (i % 2 == 0) call.finish();  // else the destructor finishes it
    }
  }
  void rebind_often(int thread, const std::atomic<bool>& over) {
    for (int i = thread; !over; ++i) {
      switch (i % 3) {
        case 0:
          binding_.set(policy_);
          break;
        case 1:
          binding_.set(vision_);
          break;
        default:
          binding_.clear();
          break;
      }
      EXPECT_GT(binding_.generation(), 0U);
      (void)binding_.is_set();
      (void)binding_.lane();
      std::this_thread::yield();
    }
  }
  fake::Work last_;
  int bound_calls_ = 0;
};

TEST_F(BindingStressTest, CallsStayOrderedDuringRebinds) {
  std::atomic<bool> over{false};
  std::vector<std::jthread> rebinders;
  for (int i = 0; i < kRebinders; ++i) rebinders.emplace_back([&, i] { rebind_often(i, over); });
  std::vector<StreamView> callers;
  for (int i = 0; i < kCallers; ++i) callers.push_back(fake_.make_stream());
  run_threads(kCallers, [&](int i) { call_often(callers[static_cast<std::size_t>(i)]); });
  over = true;
  rebinders.clear();
  EXPECT_EQ(bound_calls_, kCallers * kBoundCallsEach);
  EXPECT_EQ(fake_.live().events, 3);
}

}  // namespace
}  // namespace greenlane

#include "support/binding_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace greenlane {
namespace {

// A million calls from 8 threads, while 8 other threads rebind the engine.
class BindingMillionTest : public fake::BindingTest {
 protected:
  static constexpr int kThreads = 8;
  static constexpr int kCallsEach = 125'000;

  void call_often(StreamView caller, int calls) {
    for (int i = 0; i < calls; ++i) {
      auto call = binding_.enter(caller);
      const bool known =
          call.stream() == policy_.stream() || call.stream() == vision_.stream() || call.stream() == external_;
      const bool bound = call.source() == StreamSource::bound;
      if (bound ? !known : call.stream() != caller) ++strays_;
      call.finish();
      if (bound) ++bound_calls_;
      ++calls_;
    }
  }
  void rebind_often(int turn, const std::atomic<bool>& over) {
    for (; !over; ++turn) {
      switch (turn % 4) {
        case 0:
          binding_.set(policy_);
          break;
        case 1:
          binding_.set(vision_);
          break;
        case 2:
          set(external_);
          break;
        default:
          binding_.clear();
          break;
      }
      fake_.clear_operations();  // the fake's records would not fit in memory
      std::this_thread::yield();
    }
  }

  StreamView external_ = fake_.make_stream();
  std::atomic<int> calls_{0};
  std::atomic<int> bound_calls_{0};
  std::atomic<int> strays_{0};
};

TEST_F(BindingMillionTest, EveryCallRunsOnOneStreamOfItsBinding) {
  // One call of each kind comes first, because the scheduler decides how the threads meet.
  const auto first_caller = fake_.make_stream();
  call_often(first_caller, 1);
  binding_.set(policy_);
  call_often(first_caller, 1);

  std::atomic<bool> over{false};
  {
    std::vector<std::jthread> rebinders;
    for (int i = 0; i < kThreads; ++i) rebinders.emplace_back([&, i] { rebind_often(i, over); });
    {
      std::vector<std::jthread> callers;
      for (int i = 0; i < kThreads; ++i) {
        callers.emplace_back([this, caller = fake_.make_stream()] { call_often(caller, kCallsEach); });
      }
    }
    over = true;
  }
  EXPECT_EQ(calls_, kThreads * kCallsEach + 2);
  EXPECT_EQ(strays_, 0);
  EXPECT_GT(bound_calls_, 0);
  EXPECT_LT(bound_calls_, calls_) << "no call was unbound, so the test did not cover unbound calls";
}

}  // namespace
}  // namespace greenlane

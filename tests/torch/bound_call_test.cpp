#include "support/forked.hpp"

#include <greenlane/detail/torch/bound_call.hpp>

#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfenv>
#include <optional>
#include <stdexcept>
#include <thread>

namespace greenlane {
namespace {

// Calls on lanes of the CPU. tests/gpu tests calls on GPUs.
class CallOnCpuTest : public ::testing::Test {
 protected:
  std::thread::id thread_of_call() {
    std::thread::id id;
    call_on_cpu(binding_, [&] { id = std::this_thread::get_id(); });
    return id;
  }

  Device cpu_ = Device::open("cpu");
  Lane lane_ = Lane::create(cpu_, {.name = "lane"});
  StreamBinding binding_{cpu_, "engine"};
};

TEST_F(CallOnCpuTest, AnUnboundCallRunsInTheCallingThread) { EXPECT_EQ(thread_of_call(), std::this_thread::get_id()); }

TEST_F(CallOnCpuTest, ABoundCallRunsInTheLanesThread) {
  binding_.set(lane_);
  std::thread::id worker;
  lane_.run([&] { worker = std::this_thread::get_id(); });
  EXPECT_EQ(thread_of_call(), worker);
  EXPECT_NE(worker, std::this_thread::get_id());
}

TEST_F(CallOnCpuTest, ACallRethrowsTheException) {
  binding_.set(lane_);
  EXPECT_THAT([&] { call_on_cpu(binding_, [] { throw std::runtime_error("broken"); }); },
              ::testing::ThrowsMessage<std::runtime_error>("broken"));
  EXPECT_NE(thread_of_call(), std::this_thread::get_id());
}

TEST_F(CallOnCpuTest, TheCallersModesApplyDuringTheCallOnly) {
  binding_.set(lane_);
  const auto grad_mode_on_lane = [&] {
    bool enabled = false;
    call_on_cpu(binding_, [&] { enabled = c10::GradMode::is_enabled(); });
    return enabled;
  };
  EXPECT_TRUE(grad_mode_on_lane());
  {
    const c10::NoGradGuard guard;
    EXPECT_FALSE(grad_mode_on_lane());
  }
  lane_.run([] { EXPECT_TRUE(c10::GradMode::is_enabled()); });
}

TEST_F(CallOnCpuTest, TheCallersRoundingAppliesDuringTheCallOnly) {
  binding_.set(lane_);
  int rounding = -1;
  std::fesetround(FE_UPWARD);
  call_on_cpu(binding_, [&] { rounding = std::fegetround(); });
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(rounding, FE_UPWARD);
  lane_.run([&] { rounding = std::fegetround(); });
  EXPECT_EQ(rounding, FE_TONEAREST);
}

TEST_F(CallOnCpuTest, SubmittedWorkHasTheCallersSettings) {
  binding_.set(lane_);
  bool enabled = true;
  std::optional<LaneWork> work;
  {
    const c10::NoGradGuard guard;
    work = submit_on_cpu(binding_, [&] { enabled = c10::GradMode::is_enabled(); });
  }
  ASSERT_TRUE(work.has_value());
  work->get();
  EXPECT_FALSE(enabled);
  binding_.clear();
  EXPECT_FALSE(submit_on_cpu(binding_, [&] { enabled = true; }).has_value())
      << "an unbound submit did not run in the calling thread";
  EXPECT_TRUE(enabled);
}

TEST_F(CallOnCpuTest, ABoundCallIsRefusedInAForkedChild) {
  binding_.set(lane_);
  EXPECT_THAT(in_child([&] { return thread_of_call() == std::thread::id() ? "nowhere" : "ran"; }),
              ::testing::HasSubstr("made before fork() in the parent process"));
  binding_.clear();
  EXPECT_EQ(in_child([&] { return thread_of_call() == std::this_thread::get_id() ? "in place" : "beside"; }), "beside");
  EXPECT_EQ(thread_of_call(), std::this_thread::get_id());
}

TEST_F(CallOnCpuTest, AnEngineMayRebindItselfDuringACall) {
  const auto other = Lane::create(cpu_, {.name = "other"});
  binding_.set(lane_);
  call_on_cpu(binding_, [&] { binding_.set(other); });
  EXPECT_EQ(binding_.lane(), other);
  call_on_cpu(binding_, [&] { binding_.clear(); });
  EXPECT_FALSE(binding_.is_set());
}

}  // namespace
}  // namespace greenlane

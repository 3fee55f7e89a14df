#include "support/forked.hpp"

#include <greenlane/core/binding.hpp>
#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/core/process.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#if defined(__SANITIZE_THREAD__)
// Without this, ThreadSanitizer ends children that start threads.
extern "C" const char* __tsan_default_options() {  // NOLINT(bugprone-reserved-identifier)
  return "die_after_fork=0";
}
#endif

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const auto kRefuses =
    AllOf(StartsWith("threw: "), HasSubstr("made before fork() in the parent process"), HasSubstr("after the fork"));

class ForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer loses count of threads that a forked child starts";
#endif
  }
  Device cpu_ = Device::open("cpu");
  std::optional<Partition> partition_ = cpu_.partition("policy", 1);
  std::optional<Lane> lane_ = Lane::create(*partition_);
};

TEST(ProcessTest, TheGenerationGrowsInTheChildOnly) {
  const auto before = detail::process_generation();
  EXPECT_EQ(in_child([&] { return std::to_string(detail::process_generation() - before); }), "1");
  EXPECT_EQ(detail::process_generation(), before);
}

TEST(ProcessTest, AChildBeginsWithNewState) {
  static detail::PerProcess<std::string> text;
  text.get() = "parent";
  EXPECT_EQ(in_child([] { return "'" + text.get() + "'"; }), "''");
  EXPECT_EQ(text.get(), "parent");
}

TEST(ProcessTest, AMutexIsFreeInTheChild) {
  detail::ForkSafeMutex mutex;
  std::atomic<bool> held{false};
  std::atomic<bool> done{false};
  const std::jthread other([&] {
    const std::scoped_lock lock(mutex);
    held = true;
    while (!done) std::this_thread::yield();
  });
  while (!held) std::this_thread::yield();
  EXPECT_EQ(in_child([&] {
              const std::scoped_lock lock(mutex);
              return "free";
            }),
            "free");
  done = true;
}

TEST(ProcessTest, AChildCanWarnAfterAForkDuringAWarning) {
  std::atomic<bool> inside{false};
  std::atomic<bool> done{false};
  auto former = set_warning_sink([&](const std::string& text) {
    if (text != "long") return;
    inside = true;
    while (!done) std::this_thread::yield();
  });
  std::jthread other([] { warn("long"); });
  while (!inside) std::this_thread::yield();
  EXPECT_EQ(in_child([] {
              warn("short");
              return "warned";
            }),
            "warned");
  done = true;
  other.join();
  set_warning_sink(std::move(former));
}

TEST_F(ForkTest, RunningOnALaneOfTheParentIsRefused) {
  EXPECT_THAT(in_child([&] {
                lane_->run([] {});
                return "ran";
              }),
              AllOf(kRefuses, HasSubstr("lane 'policy'")));
}

TEST_F(ForkTest, SubmittingAndWaitingAreRefused) {
  EXPECT_THAT(in_child([&] {
                (void)lane_->submit([] {});
                return "submitted";
              }),
              kRefuses);
  EXPECT_THAT(in_child([&] {
                lane_->synchronize();
                return "waited";
              }),
              kRefuses);
  const auto work = lane_->submit([] {});
  EXPECT_THAT(in_child([&] {
                work.get();
                return "got";
              }),
              kRefuses);
}

TEST_F(ForkTest, ALaneIsRefusedDuringItsWork) {
  std::atomic<bool> begun{false};
  std::atomic<bool> done{false};
  const auto work = lane_->submit([&] {
    begun = true;
    while (!done) std::this_thread::yield();
  });
  while (!begun) std::this_thread::yield();
  EXPECT_THAT(in_child([&] {
                lane_->run([] {});
                return "ran";
              }),
              kRefuses);
  done = true;
  work.get();
}

TEST_F(ForkTest, PartitionsAndDevicesOfTheParentAreRefused) {
  EXPECT_THAT(in_child([&] {
                (void)Lane::create(*partition_);
                return "made";
              }),
              AllOf(kRefuses, HasSubstr("partition 'policy'")));
  EXPECT_THAT(in_child([&] {
                (void)Lane::create(cpu_);
                return "made";
              }),
              AllOf(kRefuses, HasSubstr("the device cpu")));
  EXPECT_THAT(in_child([&] {
                (void)cpu_.partition("another", 1);
                return "made";
              }),
              kRefuses);
}

TEST_F(ForkTest, AChildReleasesTheParentsHandlesWithoutWaiting) {
  EXPECT_EQ(in_child([&] {
              lane_.reset();
              partition_.reset();
              return "gone";
            }),
            "gone");
}

TEST_F(ForkTest, AChildMakesNewLanesOnAllCores) {
  const int cores = cpu_.info().units.count;
  EXPECT_EQ(in_child([&] {
              const auto lanes = Device::open("cpu").partition({{"own", rest}});
              bool ran = false;
              lanes["own"].run([&] { ran = true; });
              return ran ? std::to_string(lanes["own"].units().count) : "not run";
            }),
            std::to_string(cores));
}

TEST_F(ForkTest, ABindingInAChildNeedsANewLane) {
  StreamBinding binding(cpu_, "engine");
  binding.set(*lane_);
  EXPECT_THAT(in_child([&] {
                binding.lane()->run([] {});
                return "ran";
              }),
              kRefuses);
  EXPECT_THAT(in_child([&] {
                binding.set(*lane_);
                return "bound";
              }),
              kRefuses);
  EXPECT_EQ(in_child([&] {
              binding.clear();
              return binding.is_set() ? "set" : "clear";
            }),
            "clear");
  EXPECT_EQ(in_child([&] {
              const auto own = Lane::create(Device::open("cpu"));
              binding.set(own);
              bool ran = false;
              binding.lane()->run([&] { ran = true; });
              return ran ? "ran" : "not run";
            }),
            "ran");
}

TEST_F(ForkTest, AChildThatReturnsFromTheWorkEnds) {
  pid_t child = 0;
  lane_->run([&] { child = fork(); });  // the child never gets past this, because this thread does not exist there
  ASSERT_GT(child, 0);
  int status = -1;
  for (int i = 0; i < 1000 && waitpid(child, &status, WNOHANG) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(WIFEXITED(status)) << "the child hangs when the work returns";
  if (!WIFEXITED(status)) kill(child, SIGKILL);
}

TEST_F(ForkTest, AChildForkedByWorkMayUseANewLane) {
  std::string text;
  lane_->run([&] {
    text = in_child([] {
      bool ran = false;
      Lane::create(Device::open("cpu")).run([&] { ran = true; });
      return ran ? "ran" : "not run";
    });
  });
  EXPECT_EQ(text, "ran");
}

TEST_F(ForkTest, AChildHasNewGates) {
  EXPECT_EQ(in_child([&] { return std::to_string(Gate::of(Device::open("cpu"))->report().passes); }), "0");
}

}  // namespace
}  // namespace greenlane

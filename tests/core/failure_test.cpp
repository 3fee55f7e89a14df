#include "core/drop_queue.hpp"
#include "support/callers_graph.hpp"
#include "support/fake_driver_test.hpp"

#include <greenlane/core/graph.hpp>

#include <gtest/gtest.h>

#include <functional>

namespace greenlane {
namespace {

using fake::happens_before;

// Tests in which every driver call of a whole scenario fails in turn.
class FailureTest : public fake::FakeDriverTest {
 protected:
  void call(StreamBinding& binding, StreamView caller) {
    auto call = binding.enter(caller);
    call.finish();
  }

  void scenario() {
    const auto device = Device::open("cuda:0");
    auto lanes = device.partition({{"policy", 8}, {"vision", 48}, {"head", rest}});
    auto plain = Lane::create(device, {.name = "plain", .priority = -1});
    const auto adopted = Lane::adopt(device, external_);
    StreamBinding binding(device, "engine");
    binding.set(lanes["policy"]);
    call(binding, caller_);
    binding.set(lanes["vision"]);
    call(binding, StreamView::default_stream());
    binding.set(adopted);
    call(binding, caller_);
    const auto graph = Graph::capture(plain, [&] { call(binding, plain.stream()); });
    graph.launch(caller_);
    {
      const fake::CallersGraph callers(fake_, caller_, [&] { call(binding, caller_); });
      if (callers.exists()) callers.launch(external_);
    }
    detail::DropQueue::instance().wait_until_empty();  // the queue's calls are counted, too
    binding.set(lanes["head"]);
    (void)Graph::capture(plain, [&] { call(binding, plain.stream()); });
    lanes["policy"].keep_stream();
    plain.synchronize();
    for (Lane lane : lanes) lane.close();
    plain.close();
    binding.clear();
    call(binding, caller_);
  }

  // Checks what the scenario must leave, failed or not.
  void expect_no_leaks() {
    detail::DropQueue::instance().wait_until_empty();
    fake_.fail(0);
    EXPECT_EQ(fake_.current_contexts(), 0);
    EXPECT_EQ(fake_.live().user_objects, 0);
    EXPECT_EQ(fake_.live().events, 0);
    EXPECT_LE(fake_.live().streams, 1) << "more streams are alive than the kept one";
    EXPECT_LE(fake_.live().green_contexts, 1);
    if (const auto device = Device::open("cuda:0"); device.info().partition_obstacle.empty()) {
      EXPECT_EQ(device.partition("all", rest).units().count, 132) << "some units did not return";
    } else {
      detail::forget_devices();  // the failure to split a device is remembered, too
    }
    EXPECT_NO_THROW(scenario()) << "the scenario fails after a driver failure";
    detail::forget_devices();
    EXPECT_EQ(fake_.live(), fake::Live{});
    EXPECT_EQ(fake_.violations(), std::vector<std::string>{});
  }

  // Arms the fake with 1, 2, 3 … until the scenario ends before the failure. Returns the number of calls that failed.
  int fail_each_call(const std::function<void(int)>& arm) {
    for (int failing = 1;; ++failing) {
      SCOPED_TRACE("call " + std::to_string(failing) + " fails");
      detail::forget_devices();
      arm(failing);
      try {
        scenario();
      } catch (const Error& error) {
        EXPECT_STRNE(error.what(), "");
      } catch (const std::exception& error) {
        ADD_FAILURE() << "another exception than greenlane's: " << error.what();
      }
      const bool failed = fake_.calls() >= failing;
      expect_no_leaks();
      if (!failed || HasFailure()) return failing - 1;
    }
  }

  StreamView external_ = fake_.make_stream();
  StreamView caller_ = fake_.make_stream();
};

TEST_F(FailureTest, TheScenarioPassesWithoutFailures) { EXPECT_NO_THROW(scenario()); }

TEST_F(FailureTest, OneFailedDriverCallLeaksNothing) {
  EXPECT_GT(fail_each_call([this](int call) { fake_.fail(call); }), 60);
}

TEST_F(FailureTest, ADriverThatStopsWorkingLeaksNothing) {
  EXPECT_GT(fail_each_call([this](int call) { fake_.fail_from(call); }), 60);
}

TEST_F(FailureTest, OneFailedCallLeaksNothingWithoutStreamGetDevice) {
  use({.stream_get_device = false});
  EXPECT_GT(fail_each_call([this](int call) { fake_.fail(call); }), 60);
}

TEST_F(FailureTest, AnErrorWithoutANameHasItsNumber) {
  fake_.fail_from(1);
  try {
    scenario();
    FAIL() << "the scenario threw nothing although every driver call failed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("999"), std::string::npos) << error.what();
  }
  fake_.fail(0);
}

}  // namespace
}  // namespace greenlane

// Calls that greenlane makes while another thread captures a graph in CUDA's default mode.
#include "core/cuda/capture_mode.hpp"

#include "support/fake_driver_test.hpp"

#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/sliced_graph.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <gtest/gtest.h>

namespace greenlane {
namespace {

// The fixture's destructor fails a test that broke the capture of the other thread.
class CaptureModeTest : public fake::FakeDriverTest {
 protected:
  ~CaptureModeTest() override { fake_.set_others_capture(false); }

  Device device_ = gpu();
  Lane lane_ = Lane::create(device_.partition("lane", 16));
};

TEST_F(CaptureModeTest, AGateQueriesEventsDuringAnotherThreadsCapture) {
  const auto gate = Gate::of(device_);
  UrgentEngine engine(device_, std::chrono::hours(1));
  engine.enter(lane_.unit_set()).enqueued(lane_.stream());
  fake_.set_others_capture(true);
  EXPECT_FALSE(gate->is_open(lane_.unit_set())) << "the gate opened before the urgent work was done";
  fake_.set_events_done(true);
  EXPECT_TRUE(gate->is_open(lane_.unit_set()));
}

TEST_F(CaptureModeTest, SlicesRunDuringAnotherThreadsCapture) {
  auto graph = Graph::capture(lane_, [&] {
    for (int i = 0; i < 4; ++i) fake_.mark(lane_.stream());
  });
  fake_.set_events_done(true);
  fake_.set_others_capture(true);
  SlicedGraph sliced(std::move(graph), lane_, {.longest = std::chrono::microseconds(10)});
  const auto gate = Gate::of(device_);
  for (int i = 0; i < 3; ++i) sliced.run(*gate, lane_);
}

TEST_F(CaptureModeTest, LanesOpenAndCloseDuringAnotherThreadsCapture) {
  fake_.set_others_capture(true);
  auto lane = Lane::create(device_.partition("other", 8));
  lane.keep_stream();
  fake_.mark(lane.stream());
  lane.synchronize();
}

TEST_F(CaptureModeTest, AnEngineIsReboundDuringAnotherThreadsCapture) {
  StreamBinding binding(device_, "engine");
  const auto caller = fake_.make_stream();
  binding.set(lane_);
  binding.enter(caller).finish();
  fake_.set_others_capture(true);
  binding.clear();
  for (int i = 0; i < 2; ++i) binding.enter(caller).finish();
}

TEST_F(CaptureModeTest, ACaptureUsesThreadLocalMode) {
  const detail::RelaxedCaptureMode relaxed(fake_.table());
  (void)Graph::capture(lane_, [&] { EXPECT_EQ(fake_.capture_mode(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL); });
  EXPECT_EQ(fake_.capture_mode(), CU_STREAM_CAPTURE_MODE_RELAXED);
}

TEST_F(CaptureModeTest, ADriverFailureLeavesTheThreadsModeUnchanged) {
  const auto caller = fake_.make_stream();
  StreamBinding binding(device_, "engine");
  binding.set(lane_);
  fake_.set_events_done(true);
  for (int failing = 0; failing < 40; ++failing) {
    fake_.fail(failing);
    try {
      auto call = binding.enter(caller);
      (void)Graph::capture(lane_, [] {});
      call.finish();
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the checks come after it
    }
    fake_.fail(0);
    EXPECT_EQ(fake_.capture_mode(), CU_STREAM_CAPTURE_MODE_GLOBAL) << "driver call " << failing << " failed";
  }
}

}  // namespace
}  // namespace greenlane

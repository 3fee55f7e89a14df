// The calling thread finds its current context again after every entry point of core.
#include "support/fake_driver_test.hpp"

#include <greenlane/core/graph.hpp>
#include <greenlane/detail/core/current_context.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

namespace greenlane {
namespace {

class CurrentContextTest : public fake::FakeDriverTest {
 protected:
  CurrentContextTest() : fake::FakeDriverTest({.gpus = {fake::Gpu{}, fake::Gpu{}}}) {}
  // Makes the device's context current, as other code in the thread may do with cudaSetDevice.
  void make_current(int device) {
    CUcontext context = nullptr;
    fake_.table().cuDevicePrimaryCtxRetain(&context, device);
    fake_.table().cuCtxSetCurrent(context);
    fake_.table().cuDevicePrimaryCtxRelease(device);
  }
};

TEST_F(CurrentContextTest, TheFormerContextIsRestored) {
  const auto one = gpu(0);
  const auto other = gpu(1);
  for (const int before : {-1, 0, 1}) {
    if (before >= 0) fake_.push_current(before);
    {
      const CurrentContext context(other);
      EXPECT_EQ(fake_.current_device(), 1);
      make_current(0);
    }
    EXPECT_EQ(fake_.current_device(), before);
    {
      const CurrentContext context;
      EXPECT_EQ(fake_.current_device(), before);
      make_current(before == 0 ? 1 : 0);
    }
    EXPECT_EQ(fake_.current_device(), before);
    if (before >= 0) fake_.pop_current();
  }
}

TEST_F(CurrentContextTest, TheCpuChangesNoContext) {
  const CurrentContext context(Device::open("cpu"));
  EXPECT_EQ(fake_.current_device(), -1);
}

TEST_F(CurrentContextTest, AMissingDriverIsNoError) {
  const driver::ScopedTable none(nullptr);
  EXPECT_NO_THROW(const CurrentContext context);
}

// Each entry point of core runs alone: once to its end, and once with a failure of each of its driver calls.
TEST_F(CurrentContextTest, EveryEntryPointRestoresTheContext) {
  const auto device = gpu(0);
  const auto stream = fake_.make_stream(0);
  const auto foreign = fake_.make_stream(1);
  auto lane = Lane::create(device.partition("lane", 8));
  StreamBinding binding(device, "engine");
  binding.set(lane);
  UrgentEngine urgent(device, std::chrono::hours(1));
  const std::map<std::string, std::function<void()>> entries = {
      {"open", [] { (void)Device::open("cuda:1").info(); }},
      {"enumerate", [] { (void)Device::enumerate(); }},
      {"partition", [&] { (void)device.partition({{"a", 8}, {"b", 16}}); }},
      {"create", [&] { (void)Lane::create(device); }},
      {"beside", [&] { (void)lane.beside(); }},
      {"adopt", [&] { (void)Lane::adopt(device, stream); }},
      {"adopt another device's", [&] { (void)Lane::adopt(device, foreign); }},
      {"adopt null", [&] { (void)Lane::adopt(device, StreamView::default_stream()); }},
      {"synchronize", [&] { lane.synchronize(); }},
      {"call", [&] { binding.enter(stream).finish(); }},
      {"call on the default stream", [&] { binding.enter(StreamView::default_stream()).finish(); }},
      {"capture", [&] { Graph::capture(lane, [] {}).launch(stream); }},
      {"urgent", [&] { urgent.enter(lane.unit_set()).enqueued(lane.stream()); }},
  };
  for (const int before : {-1, 0, 1}) {
    if (before >= 0) fake_.push_current(before);
    for (const auto& [name, entry] : entries) {
      constexpr int kMostCalls = 30;
      for (int failing = 0; failing <= kMostCalls; ++failing) {
        fake_.fail(failing);
        try {
          entry();
        } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the checks come after it
        }
        fake_.fail(0);
        EXPECT_EQ(fake_.current_device(), before) << name << ", driver call " << failing << " failed";
      }
    }
    if (before >= 0) fake_.pop_current();
  }
  fake_.set_events_done(true);
  EXPECT_TRUE(Gate::of(device)->is_open(lane.unit_set())) << "the gate stays closed after all urgent calls are done";
}

}  // namespace
}  // namespace greenlane

// A forked child's use of its parent's objects on a GPU.
#include "support/fake_driver_test.hpp"
#include "support/forked.hpp"

#include <greenlane/core/device.hpp>

#include <gmock/gmock.h>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class GpuForkTest : public fake::FakeDriverTest {};

const auto kIsRefused = AllOf(StartsWith("threw: "), HasSubstr("made before fork() in the parent process"));
const auto kLost = AllOf(StartsWith("threw: "), HasSubstr("CUDA was started before this process was forked"));

TEST_F(GpuForkTest, LanesOfTheParentAreRefused) {
  const auto lane = Lane::create(gpu().partition("policy", 8));
  EXPECT_THAT(in_child([&] {
                lane.synchronize();
                return "waited";
              }),
              AllOf(kIsRefused, HasSubstr("lane 'policy'")));
  EXPECT_THAT(in_child([&] {
                (void)lane.beside();
                return "made";
              }),
              kIsRefused);
}

TEST_F(GpuForkTest, BindingsOfTheParentAreRefused) {
  const auto lane = Lane::create(gpu());
  StreamBinding binding(gpu(), "engine");
  binding.set(lane);
  EXPECT_THAT(in_child([&] {
                auto call = binding.enter(StreamView::default_stream());
                return "entered";
              }),
              AllOf(kIsRefused, HasSubstr("engine 'engine'")));
  EXPECT_THAT(in_child([&] {
                binding.set(lane);
                return "bound";
              }),
              kIsRefused);
}

TEST_F(GpuForkTest, AChildCannotOpenAGpu) {
  (void)gpu();
  EXPECT_THAT(in_child([] { return to_string(Device::open("cuda:0").id()); }), kLost);
  EXPECT_THAT(in_child([] { return to_string(Device::open("auto").id()); }), kLost)
      << "auto opened the CPU instead of failing";
  EXPECT_EQ(in_child([] { return to_string(Device::open("cpu").id()); }), "cpu");
}

TEST_F(GpuForkTest, AChildListsNoGpusAndWarns) {
  (void)gpu();
  EXPECT_THAT(in_child([] {
                const fake::Warnings warnings;
                const auto devices = Device::enumerate();
                return std::to_string(devices.size()) + " " + warnings.texts().at(0);
              }),
              StartsWith("1 GPUs are not listed: CUDA was started"));
}

}  // namespace
}  // namespace greenlane

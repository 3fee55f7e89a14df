#include "core/cuda/hardware_queues.hpp"

#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/hardware_queues.hpp>

#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr DeviceId kGpu{DeviceKind::cuda, 0};

// Lets a test set the variable, and restores its former value.
class HardwareQueuesTest : public fake::FakeDriverTest {
 protected:
  HardwareQueuesTest() {
    if (const char* value = std::getenv(kHardwareQueuesVariable)) former_ = value;
    ::unsetenv(kHardwareQueuesVariable);
  }
  ~HardwareQueuesTest() override {
    if (former_) {
      set(*former_);
    } else {
      ::unsetenv(kHardwareQueuesVariable);
    }
  }
  static void set(const std::string& value) { ::setenv(kHardwareQueuesVariable, value.c_str(), 1); }
  static std::string variable() {
    const char* value = std::getenv(kHardwareQueuesVariable);
    return value ? value : "unset";
  }
  static std::vector<Lane> lanes_of(const Device& device, int count) {
    std::vector<Lane> lanes;
    for (int i = 0; i < count; ++i) lanes.push_back(Lane::create(device));
    return lanes;
  }

 private:
  std::optional<std::string> former_;
};

TEST_F(HardwareQueuesTest, TheVariableSetsTheQueuesElseEight) {
  EXPECT_EQ(hardware_queues(kGpu).in_force, 8);
  set("32");
  EXPECT_EQ(hardware_queues(kGpu).in_force, 32);
  set("1");
  EXPECT_EQ(hardware_queues(kGpu).in_force, 1);
}

TEST_F(HardwareQueuesTest, AnInvalidValueCountsAsEightAndIsKept) {
  for (const std::string value : {"", "0", "-4", "33", "many", "12 queues", "99999999999999999999"}) {
    set(value);
    EXPECT_EQ(hardware_queues(kGpu).in_force, 8) << value;
    EXPECT_FALSE(request_hardware_queues(12)) << value;
    EXPECT_EQ(variable(), value);
  }
}

TEST_F(HardwareQueuesTest, ARequestSetsTheVariableFrom8To32) {
  for (const auto& [streams, expected] : {std::pair(1, "8"), {8, "8"}, {13, "13"}, {32, "32"}, {90, "32"}}) {
    ::unsetenv(kHardwareQueuesVariable);
    EXPECT_TRUE(request_hardware_queues(streams));
    EXPECT_EQ(variable(), expected);
  }
  EXPECT_EQ(fake_.live().primary_retains, 0) << "the request made a context";
}

TEST_F(HardwareQueuesTest, ARequestKeepsTheUsersValue) {
  set("4");
  EXPECT_FALSE(request_hardware_queues(12));
  EXPECT_EQ(variable(), "4");
}

TEST_F(HardwareQueuesTest, ARequestIsTooLateAfterTheFirstContext) {
  use({.gpus = {fake::Gpu{}, fake::Gpu{}}});
  const auto theirs = fake_.make_stream(1);
  EXPECT_FALSE(request_hardware_queues(12));
  EXPECT_EQ(variable(), "unset");
  fake_.destroy_stream(theirs);
  EXPECT_TRUE(request_hardware_queues(12));
}

TEST_F(HardwareQueuesTest, ARequestWithoutADriverIsNoError) {
  const driver::ScopedTable none(nullptr);
  EXPECT_TRUE(request_hardware_queues(12));
}

TEST_F(HardwareQueuesTest, TheContextFixesTheNumberOfQueues) {
  set("12");
  const auto device = gpu();
  set("13");
  EXPECT_EQ(hardware_queues(kGpu).in_force, 13) << "the value was fixed before a context existed";
  const auto lane = Lane::create(device);
  set("32");
  EXPECT_EQ(hardware_queues(kGpu).in_force, 13);
}

TEST_F(HardwareQueuesTest, OpenLanesAndTheDefaultStreamAreInUse) {
  EXPECT_EQ(hardware_queues(kGpu).streams, 1);
  const auto device = gpu();
  {
    const auto lanes = device.partition({{"policy", 8}, {"vision", 48}});
    EXPECT_EQ(hardware_queues(kGpu).streams, 3);
    const auto whole = Lane::create(device);
    const auto copy = whole;
    EXPECT_EQ(hardware_queues(kGpu).streams, 4);
    const auto captures = whole.beside();
    EXPECT_EQ(hardware_queues(kGpu).streams, 4) << "a stream that only captures graphs counts as in use";
    EXPECT_EQ(hardware_queues({DeviceKind::cuda, 1}).streams, 1) << "streams of one GPU count on another GPU";
  }
  EXPECT_EQ(hardware_queues(kGpu).streams, 1);
}

TEST_F(HardwareQueuesTest, AKeptStreamIsNotInUse) {
  {
    const auto lane = Lane::create(gpu());
    lane.keep_stream();
  }
  EXPECT_EQ(hardware_queues(kGpu).streams, 1);
  const auto again = Lane::create(gpu());
  EXPECT_EQ(hardware_queues(kGpu).streams, 2);
}

TEST_F(HardwareQueuesTest, AdoptedStreamsCountOnce) {
  const auto device = gpu();
  const auto theirs = fake_.make_stream();
  const auto others = fake_.make_stream();
  {
    const auto first = Lane::adopt(device, theirs);
    const auto second = Lane::adopt(device, theirs);
    EXPECT_EQ(hardware_queues(kGpu).streams, 2);
    const auto third = Lane::adopt(device, others);
    EXPECT_EQ(hardware_queues(kGpu).streams, 3);
    const auto own = Lane::create(device);
    const auto adopted = Lane::adopt(device, own.stream());
    EXPECT_EQ(hardware_queues(kGpu).streams, 4);
  }
  EXPECT_EQ(hardware_queues(kGpu).streams, 1);
}

TEST_F(HardwareQueuesTest, MoreStreamsThanQueuesGiveOneWarning) {
  const auto device = gpu();
  auto lanes = lanes_of(device, 7);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
  lanes.push_back(Lane::create(device));
  EXPECT_THAT(warnings_.texts(),
              ElementsAre(AllOf(HasSubstr("9 streams are in use on cuda:0"), HasSubstr("8 hardware queues"),
                                HasSubstr("CUDA_DEVICE_MAX_CONNECTIONS=9 before the program starts"),
                                HasSubstr("GREENLANE_HARDWARE_QUEUES"))));
  lanes.push_back(Lane::create(device));
  lanes.clear();
  lanes = lanes_of(device, 12);
  EXPECT_EQ(warnings_.texts().size(), 1U) << "the process got more than one warning";
}

TEST_F(HardwareQueuesTest, EnoughQueuesGiveNoWarning) {
  ASSERT_TRUE(request_hardware_queues(13));
  const auto lanes = lanes_of(gpu(), 12);
  EXPECT_THAT(warnings_.texts(), IsEmpty());
}

TEST_F(HardwareQueuesTest, TheWarningNamesASufficientValue) {
  set("1");
  const auto lane = Lane::create(gpu());
  EXPECT_THAT(warnings_.texts(),
              ElementsAre(AllOf(HasSubstr("2 streams"), HasSubstr("1 hardware queue in"), HasSubstr("=8 before"))));
}

TEST_F(HardwareQueuesTest, TheWarningAboveTheMaximumAdvisesFewerLanes) {
  set("32");
  const auto lanes = lanes_of(gpu(), 32);
  EXPECT_THAT(warnings_.texts(), ElementsAre(AllOf(HasSubstr("33 streams"), HasSubstr("use fewer lanes"))));
}

TEST_F(HardwareQueuesTest, ACpuHasNoHardwareQueues) {
  EXPECT_THAT([] { (void)hardware_queues({DeviceKind::cpu, 0}); },
              refuses<DeviceError>("cpu has no hardware queues", "cuda:N"));
}

}  // namespace
}  // namespace greenlane

#include "support/fake_driver_test.hpp"
#include "support/matchers.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/partition.hpp>

#include <gtest/gtest.h>

namespace greenlane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> ids(const std::vector<DeviceInfo>& infos) {
  std::vector<std::string> names;
  for (const auto& info : infos) names.push_back(to_string(info.id));
  return names;
}

TEST(DeviceIdTest, ANameThatIsWrittenCanBeRead) {
  EXPECT_EQ(DeviceId::parse("cpu"), (DeviceId{DeviceKind::cpu, 0}));
  EXPECT_EQ(DeviceId::parse("cuda"), (DeviceId{DeviceKind::cuda, 0}));
  EXPECT_EQ(DeviceId::parse("cuda:12"), (DeviceId{DeviceKind::cuda, 12}));
  for (const char* text : {"cpu", "cuda:0", "cuda:7"}) EXPECT_EQ(to_string(DeviceId::parse(text)), text);
}

TEST(UnitsText, OneUnitIsNotPlural) {
  EXPECT_EQ(units_text(DeviceKind::cpu, {1}), "1 core");
  EXPECT_EQ(units_text(DeviceKind::cpu, {2}), "2 cores");
  EXPECT_EQ(units_text(DeviceKind::cuda, {1}), "1 SM");
  EXPECT_EQ(units_text(DeviceKind::cuda, {48}), "48 SMs");
}

TEST(DeviceIdTest, OtherNamesAreRefused) {
  for (const char* text : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:-0", "cuda:+1", "cuda:1x", "cuda: 1", "cuda0",
                           "cpu:0", "cuda:99999999999"}) {
    EXPECT_THAT([&] { (void)DeviceId::parse(text); },
                refuses<DeviceError>("'" + std::string(text) + "'", "use cpu, cuda:N or auto"));
  }
}

class WithoutDriverTest : public ::testing::Test {
 protected:
  WithoutDriverTest() { detail::forget_devices(); }
  ~WithoutDriverTest() override { detail::forget_devices(); }

 private:
  driver::ScopedTable none_{nullptr};
};

TEST_F(WithoutDriverTest, OpeningAGpuNamesCauseAndRemedy) {
  EXPECT_THAT([] { (void)Device::open("cuda:0"); },
              refuses<DeviceError>("no CUDA device", driver::unavailable_reason(), "use the device cpu"));
}

TEST_F(WithoutDriverTest, AutoIsTheCpu) { EXPECT_EQ(Device::open("auto").id(), (DeviceId{DeviceKind::cpu, 0})); }

TEST_F(WithoutDriverTest, TheCpuIsTheOnlyDevice) { EXPECT_THAT(ids(Device::enumerate()), ElementsAre("cpu")); }

TEST_F(WithoutDriverTest, ThereIsOneCpu) {
  EXPECT_THAT([] { (void)Device::open(DeviceId{DeviceKind::cpu, 1}); }, refuses<DeviceError>("cpu"));
}

TEST_F(WithoutDriverTest, TheCpuIsDescribed) {
  const auto info = Device::open("cpu").info();
  EXPECT_GE(info.units.count, 1);
  EXPECT_EQ(info.granularity.count, 1);
  EXPECT_EQ(info.remainder.count, 0);
  EXPECT_EQ(info.groups, info.units.count);
  EXPECT_GT(info.memory_bytes, 0U);
  EXPECT_FALSE(info.name.empty());
  EXPECT_TRUE(info.partition_obstacle.empty());
}

class DeviceTest : public fake::FakeDriverTest {};

TEST_F(DeviceTest, AutoIsTheFirstGpu) { EXPECT_EQ(Device::open("auto").id(), (DeviceId{DeviceKind::cuda, 0})); }

TEST_F(DeviceTest, OpeningTwiceIsTheSameDevice) {
  EXPECT_EQ(Device::open("cuda"), Device::open("cuda:0"));
  EXPECT_FALSE(Device::open("cuda:0") == Device::open("cpu"));
}

TEST_F(DeviceTest, AMissingGpuIsRefusedWithTheNumberOfGpus) {
  EXPECT_THAT(
      [] { (void)Device::open("cuda:3"); },
      refuses<DeviceError>("there is no cuda:3", "CUDA_ERROR_INVALID_DEVICE", "1 GPU(s)", "CUDA_VISIBLE_DEVICES"));
  EXPECT_THROW((void)Device::open(DeviceId{DeviceKind::cuda, -1}), DeviceError);
}

TEST_F(DeviceTest, OpeningMakesNoContext) {
  (void)Device::open("cuda:0");
  (void)Device::enumerate();
  EXPECT_EQ(fake_.live(), fake::Live{});
}

TEST_F(DeviceTest, EnumerateListsTheGpusThenTheCpu) {
  use({.gpus = {fake::Gpu{}, fake::gpu_of_78_sms()}});
  const auto all = Device::enumerate();
  EXPECT_THAT(ids(all), ElementsAre("cuda:0", "cuda:1", "cpu"));
  EXPECT_EQ(all[1].name, "Fake 78");
}

TEST_F(DeviceTest, EnumerateSkipsABrokenGpuWithAWarning) {
  use({.gpus = {{.fell_off_the_bus = true}, fake::Gpu{}}});
  EXPECT_THAT(ids(Device::enumerate()), ElementsAre("cuda:1", "cpu"));
  EXPECT_THAT(warnings_.texts(), ElementsAre(HasSubstr("cuda:0")));
}

TEST_F(DeviceTest, InfoComesFromTheDriver) {
  const auto info = gpu().info();
  EXPECT_EQ(info.name, "Fake H200");
  EXPECT_EQ(info.units.count, 132);
  EXPECT_EQ(info.granularity.count, 8);
  EXPECT_EQ(info.remainder.count, 12);
  EXPECT_EQ(info.groups, 15);
  EXPECT_EQ(info.memory_bytes, std::uint64_t{139} << 30);
  EXPECT_EQ(info.compute_capability, 90);
  EXPECT_EQ(info.driver_version, 13000);
  EXPECT_EQ(info.partition_obstacle, "");
}

TEST_F(DeviceTest, ADriverWithoutGreenContextsCannotDivideTheDevice) {
  use({.green_contexts = false, .driver_version = 12020});
  EXPECT_THAT(gpu().info().partition_obstacle, HasSubstr("CUDA 12.2"));
  EXPECT_THAT(
      [&] { (void)gpu().partition("policy", 8); },
      refuses<PartitionError>("cannot divide cuda:0 (Fake H200)", "no green contexts", "lanes on the whole device"));
  EXPECT_NO_THROW((void)Lane::create(gpu()));
}

TEST_F(DeviceTest, ADeviceThatRefusesSplitsCanStillBeOpened) {
  use({.gpus = {fake::gpu_that_cannot_be_divided()}});
  EXPECT_THAT(gpu().info().partition_obstacle, HasSubstr("cuDevSmResourceSplitByCount"));
  EXPECT_THROW((void)gpu().partition("policy", 8), PartitionError);
  EXPECT_NO_THROW((void)Lane::create(gpu()));
}

}  // namespace
}  // namespace greenlane

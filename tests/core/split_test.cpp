#include "support/fake_driver_test.hpp"

#include <greenlane/core/partition.hpp>

#include <gtest/gtest.h>

namespace greenlane {
namespace {

struct Expected {
  int granularity;
  int groups;
  int remainder;
};

class SplitTest : public fake::FakeDriverTest {
 protected:
  void expect_split(fake::Gpu model, const Expected& expected) {
    use({.gpus = {std::move(model)}});
    const auto info = gpu().info();
    EXPECT_EQ(info.granularity.count, expected.granularity);
    EXPECT_EQ(info.groups, expected.groups);
    EXPECT_EQ(info.remainder.count, expected.remainder);
    EXPECT_EQ(info.partition_obstacle, "");
    EXPECT_EQ(fake_.sms_of(Lane::create(gpu().partition("all", rest)).stream()).size(),
              static_cast<std::size_t>(info.units.count));
  }
};

TEST_F(SplitTest, ASplitOf132SmsHasFifteenGroups) { expect_split(fake::Gpu{}, {8, 15, 12}); }
TEST_F(SplitTest, ASplitOf78SmsHasNineGroups) { expect_split(fake::gpu_of_78_sms(), {8, 9, 6}); }
TEST_F(SplitTest, ASplitOf20SmsHasNoOddGroup) { expect_split(fake::gpu_of_20_sms(), {4, 5, 0}); }
TEST_F(SplitTest, ARefusedGroupSizeIsDoubled) { expect_split(fake::gpu_that_wants_larger_groups(), {16, 8, 4}); }
TEST_F(SplitTest, OnlyGroupsThatTheDriverMakesCount) { expect_split({.promised_too_many = 1}, {8, 15, 12}); }

TEST_F(SplitTest, ADeviceIsSplitOnce) {
  auto a = gpu().partition("a", 8);
  auto b = gpu().partition("b", rest);
  EXPECT_EQ(fake_.calls_of("cuDevSmResourceSplitByCount"), 2)
      << "the device was not split once, with one call that counts and one that makes the groups";
}

}  // namespace
}  // namespace greenlane

#include "core/graphs/kernel_targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace greenlane::detail {
namespace {

using ::testing::ElementsAre;

// Returns an H200's division: 15 groups of 8 SMs, and one of 12.
DeviceInfo h200() {
  DeviceInfo info;
  info.units = {132};
  info.granularity = {8};
  info.remainder = {12};
  return info;
}

TEST(KernelTargets, TheSizeAndALittleLessAreTried) {
  EXPECT_THAT(kernel_targets(h200(), {48}), ElementsAre(std::nullopt, 48, 44));
}

TEST(KernelTargets, WholeGroupsAreTriedBesideTheOddGroup) {
  EXPECT_THAT(kernel_targets(h200(), {68}), ElementsAre(std::nullopt, 68, 64, 56));
  EXPECT_THAT(kernel_targets(h200(), {12}), ElementsAre(std::nullopt, 12, 8));
}

TEST(KernelTargets, TheWholeDeviceHasOneTarget) {
  EXPECT_THAT(kernel_targets(h200(), {132}), ElementsAre(std::nullopt));
}

TEST(KernelTargets, EachTargetIsTriedOnce) {
  auto info = h200();
  info.granularity = {1};
  EXPECT_THAT(kernel_targets(info, {1}), ElementsAre(std::nullopt, 1));
}

}  // namespace
}  // namespace greenlane::detail

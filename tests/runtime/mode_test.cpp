#include <greenlane/detail/runtime/mode.hpp>

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

TEST(ModeTest, EveryModeIsFoundByItsName) {
  for (const Mode mode : kAllModes) EXPECT_EQ(mode_named(to_string(mode)), mode);
}

TEST(ModeTest, AnUnknownNameIsNoMode) {
  EXPECT_EQ(mode_named("compare"), std::nullopt);
  EXPECT_EQ(mode_named(""), std::nullopt);
  EXPECT_EQ(mode_named("Lanes"), std::nullopt);
}

}  // namespace
}  // namespace greenlane::runtime

#include "text/nearest_name.hpp"

#include <gtest/gtest.h>

#include <array>

namespace greenlane::text {
namespace {

TEST(EditDistance, CountsEachKindOfEdit) {
  EXPECT_EQ(edit_distance("run", "run"), 0U);
  EXPECT_EQ(edit_distance("run", "runs"), 1U);
  EXPECT_EQ(edit_distance("run", "un"), 1U);
  EXPECT_EQ(edit_distance("run", "rum"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(EditDistance, ASwapOfNeighboursIsOneEdit) {
  EXPECT_EQ(edit_distance("form", "from"), 1U);
  EXPECT_EQ(edit_distance("aduit", "audit"), 1U);
  EXPECT_EQ(edit_distance("abcd", "badc"), 2U);
}

TEST(EditDistance, NoPartIsEditedTwice) {
  // With a swap and an insertion between the two, it would be 2.
  EXPECT_EQ(edit_distance("ca", "abc"), 3U);
}

TEST(EditDistance, TheEmptyTextIsAsFarAsTheOtherIsLong) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "plan"), 4U);
  EXPECT_EQ(edit_distance("plan", ""), 4U);
}

TEST(EditDistance, TheOrderOfTheTextsDoesNotMatter) {
  for (const auto& [one, other] : {std::pair("profile", "porfiel"), std::pair("seconds", "secnds"), std::pair("a", "")})
    EXPECT_EQ(edit_distance(one, other), edit_distance(other, one));
}

const std::array<std::string, 5> kCommands{"devices", "run", "profile", "plan", "audit"};

TEST(NearestName, IsTheNameThatWasMeant) {
  EXPECT_EQ(nearest_name("rum", kCommands), "run");
  EXPECT_EQ(nearest_name("urn", kCommands), "run");
  EXPECT_EQ(nearest_name("palns", kCommands), "plan");
  EXPECT_EQ(nearest_name("devcies", kCommands), "devices");
  EXPECT_EQ(nearest_name("run", kCommands), "run");
}

TEST(NearestName, APrefixIsNearlyRight) {
  EXPECT_EQ(nearest_name("prof", kCommands), "profile");
  EXPECT_EQ(nearest_name("planning", kCommands), "plan");
  const std::array<std::string, 2> keys{"gates", "rate_hz"};
  EXPECT_EQ(nearest_name("rate", keys), "rate_hz");
}

TEST(NearestName, NothingIsGuessedFromAfar) {
  EXPECT_EQ(nearest_name("nosuch", kCommands), std::nullopt);
  EXPECT_EQ(nearest_name("walk", kCommands), std::nullopt);
  EXPECT_EQ(nearest_name("", kCommands), std::nullopt);
  EXPECT_EQ(nearest_name("run", {}), std::nullopt);
}

TEST(NearestName, AShortNameIsNotReplacedByHalf) {
  const std::array<std::string, 2> flags{"h", "in"};
  EXPECT_EQ(nearest_name("x", flags), std::nullopt);
  EXPECT_EQ(nearest_name("on", flags), std::nullopt);
}

}  // namespace
}  // namespace greenlane::text

#include "torch/size_expression.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <optional>
#include <string>

namespace greenlane::detail {
namespace {

// The values of s0, s1 and a_size[0].
constexpr std::array<std::int64_t, 3> kValues{7, 12, 64};

std::optional<SizeExpression> parse(std::string_view text) {
  return SizeExpression::parse(text, [](std::string_view name) -> std::optional<std::size_t> {
    if (name == "s0") return 0;
    if (name == "s1") return 1;
    if (name == "a_size[0]") return 2;
    return std::nullopt;
  });
}

std::optional<std::int64_t> value(std::string_view text,
                                  SizeExpression::Division division = SizeExpression::Division::as_written) {
  const auto expression = parse(text);
  return expression ? expression->evaluate(kValues, division) : std::nullopt;
}

TEST(SizeExpression, ExpressionsOfTheCompilerAreComputed) {
  EXPECT_EQ(value("64L"), 64);
  EXPECT_EQ(value("s0"), 7);
  EXPECT_EQ(value("4L*s0"), 28);
  EXPECT_EQ(value("(-1L) + s0"), 6);
  EXPECT_EQ(value("1L + 2L*s0"), 15);
  EXPECT_EQ(value("s0 - s1"), -5);
  EXPECT_EQ(value("3L*s0*s1"), 252);
  EXPECT_EQ(value("-(s0 + 1)*2"), -16);
  EXPECT_EQ(value("a_size[0]"), 64);
  EXPECT_EQ(value("a.sizes()[0]"), 64);
  EXPECT_EQ(value("c10::div_floor_integer(static_cast<int64_t>(s0), static_cast<int64_t>(2L))"), 3);
  EXPECT_EQ(value("1L + (c10::div_floor_integer(static_cast<int64_t>((-3L) + s0), static_cast<int64_t>(2L)))"), 3);
  EXPECT_EQ(value("std::max(static_cast<int64_t>(1L), static_cast<int64_t>(s0))"), 7);
  EXPECT_EQ(value("std::min<int64_t>({s0, s1, 3L})"), 3);
  EXPECT_EQ(value("(static_cast<int64_t>(s1) % static_cast<int64_t>(5L))"), 2);
  EXPECT_EQ(value("static_cast<int64_t>(s0*s0)"), 49);
  EXPECT_EQ(value("(1.0/4.0)*s1"), 3);
  EXPECT_EQ(value("static_cast<int64_t>(std::floor((1.0/2.0)*s0))"), 3);
  EXPECT_EQ(value("static_cast<int64_t>(std::ceil(static_cast<double>(s0) / static_cast<double>(2L)))"), 4);
}

TEST(SizeExpression, DivisionAndModuloRoundLikeTheirSource) {
  EXPECT_EQ(value("c10::div_floor_integer(0 - s0, 2)"), -4);
  EXPECT_EQ(value("(0 - s0) // 2"), -4);
  EXPECT_EQ(value("c10::div_mod(0 - s0, 4)"), 1);
  EXPECT_EQ(value("(0 - s0) % 4"), -3);
}

TEST(SizeExpression, AnExactDivisionLeavesNoRemainder) {
  const auto exact = SizeExpression::Division::exact;
  EXPECT_EQ(value("c10::div_floor_integer(s1, 4L)", exact), 3);
  EXPECT_EQ(value("c10::div_floor_integer(s0, 4L)", exact), std::nullopt);
  EXPECT_EQ(value("(1.0/4.0)*s1", exact), 3);
  EXPECT_EQ(value("(1.0/4.0)*s0", exact), std::nullopt);
  EXPECT_EQ(value("static_cast<int64_t>((1.0/4.0)*s0)", exact), std::nullopt);
}

TEST(SizeExpression, AFractionOrOverflowHasNoValue) {
  EXPECT_EQ(value("(1.0/4.0)*s0"), std::nullopt);
  EXPECT_EQ(value("s0 // (s0 - 7)"), std::nullopt);
  EXPECT_EQ(value("s0 % 0"), std::nullopt);
  EXPECT_EQ(value(std::to_string(std::numeric_limits<std::int64_t>::max()) + "*s0"), std::nullopt);
}

TEST(SizeExpression, AnUnreadableExpressionIsAbsent) {
  std::string deep(1000, '(');
  for (const std::string& text :
       {std::string(), std::string("s9"), std::string("s0 +"), std::string("s0 s1"), std::string("4L*"),
        std::string("(s0"), std::string("s0)"), std::string("4x"), std::string("1.5*s0"),
        std::string("s0 < 3 ? s0 : s1"), std::string("std::pow(s0, 2)"), std::string("std::max(s0)"),
        std::string("std::max(s0, s1, 3L)"), std::string("f({s0, s1})"), std::string("99999999999999999999"), deep}) {
    EXPECT_FALSE(parse(text)) << text;
  }
}

TEST(SizeExpression, AnExpressionKnowsItsSymbols) {
  EXPECT_EQ(parse("4L*3L")->constant(), 12);
  EXPECT_EQ(parse("4L*s0")->constant(), std::nullopt);
  EXPECT_EQ(parse("s1")->single_value(), 1U);
  EXPECT_EQ(parse("s1*1L")->single_value(), std::nullopt);
  EXPECT_EQ(parse("s1 + s0*s1")->values(), (std::vector<std::size_t>{1, 0}));
}

TEST(SizeExpression, CppSyntaxIsRemovedForDisplay) {
  EXPECT_EQ(readable("(-1L) + 4L*s17"), "(-1) + 4*s17");
  EXPECT_EQ(readable("c10::div_floor_integer(static_cast<int64_t>(s0), static_cast<int64_t>(2L))"),
            "div_floor_integer((s0), (2))");
}

}  // namespace
}  // namespace greenlane::detail

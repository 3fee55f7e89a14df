// Results of difference() for values of every dtype.
#include <greenlane/torch/tensor_io.hpp>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace greenlane {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr auto kFloats = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kFloat8_e4m3fn, at::kFloat8_e5m2};

std::string differs(const at::Tensor& got, const at::Tensor& want) { return difference({got}, {want}); }

template <typename Integer>
at::Tensor of(at::ScalarType dtype, std::vector<Integer> values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())}, dtype).clone();
}

TEST(TensorDifference, ImaginaryPartsAreCompared) {
  for (const auto dtype : {at::kComplexFloat, at::kComplexDouble, at::kComplexHalf}) {
    const auto made = [&](double real, double imaginary) {
      return at::complex(at::full({3}, real, at::kDouble), at::full({3}, imaginary, at::kDouble)).to(dtype);
    };
    EXPECT_EQ(differs(made(2, 8), made(2, 8)), "") << dtype;
    EXPECT_THAT(differs(made(2, -999), made(2, 8)), HasSubstr("differs by up to 1007")) << dtype;
    EXPECT_THAT(differs(made(9, 8), made(2, 8)), HasSubstr("differs by up to 7")) << dtype;
    EXPECT_EQ(differs(made(2, 8).conj(), made(2, -8)), "") << dtype;
  }
}

TEST(TensorDifference, LargeIntegersAreComparedExactly) {
  const auto large = std::int64_t{1} << 62;
  EXPECT_EQ(differs(of<std::int64_t>(at::kLong, {large}), of<std::int64_t>(at::kLong, {large + 100})),
            "output 0 differs by up to 100 (element 0: 4611686018427387904 instead of 4611686018427388004)");
  const auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(differs(of<std::uint64_t>(at::kUInt64, {7, most}), of<std::uint64_t>(at::kUInt64, {7, most})), "");
  EXPECT_THAT(differs(of<std::uint64_t>(at::kUInt64, {7, most}), of<std::uint64_t>(at::kUInt64, {7, most - 1})),
              HasSubstr("differs by up to 1 (element 1: 18446744073709551615"));
  EXPECT_THAT(differs(of<std::int64_t>(at::kLong, {std::numeric_limits<std::int64_t>::min()}),
                      of<std::int64_t>(at::kLong, {std::numeric_limits<std::int64_t>::max()})),
              HasSubstr("differs by up to 18446744073709551615"));
}

TEST(TensorDifference, EveryIntegerDtypeIsComparedExactly) {
  for (const auto dtype :
       {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kUInt16, at::kUInt32, at::kUInt64}) {
    const auto want = at::arange(5).to(dtype);
    EXPECT_EQ(differs(want, want.clone()), "") << dtype;
    EXPECT_THAT(differs(at::tensor({0, 1, 2, 3, 5}).to(dtype), want),
                HasSubstr("by up to 1 (element 4: 5 instead of 4)"))
        << dtype;
  }
  EXPECT_NE(differs(at::tensor({0, 1}).to(at::kBool), at::tensor({0, 0}).to(at::kBool)), "");
}

TEST(TensorDifference, NanAndInfinityEqualOnlyThemselves) {
  for (const auto dtype : kFloats) {
    const auto values = [&](double special) { return at::tensor({1.0, special, 2.0}, at::kDouble).to(dtype); };
    EXPECT_EQ(differs(values(kNan), values(kNan)), "") << dtype;
    EXPECT_NE(differs(values(kNan), values(1)), "") << dtype;
    EXPECT_NE(differs(values(1), values(kNan)), "") << dtype;
    if (dtype == at::kFloat8_e4m3fn) continue;  // this dtype has no infinities
    EXPECT_EQ(differs(values(kInfinity), values(kInfinity)), "") << dtype;
    EXPECT_NE(differs(values(-kInfinity), values(kInfinity)), "") << dtype;
    EXPECT_NE(differs(values(kInfinity), values(1)), "") << dtype;
    EXPECT_THAT(differs(values(1), values(kInfinity)), HasSubstr("differs by up to inf")) << dtype;
  }
}

TEST(TensorDifference, TheToleranceScalesWithTheValues) {
  for (const double scale : {1e-12, 1e-7, 1e-4, 1.0, 1e4, 1e12}) {
    const auto want = at::randn({200}, at::kDouble) * scale;
    EXPECT_EQ(differs(want * (1 + 1e-4), want), "") << scale;
    EXPECT_EQ(differs(want + 1e-4 * scale, want), "") << scale;
    EXPECT_NE(differs(want * 1.01, want), "") << scale;
    EXPECT_NE(differs(at::zeros_like(want), want), "") << scale;
    EXPECT_NE(differs(-want, want), "") << scale;
  }
}

TEST(TensorDifference, AnExpectedZeroToleratesOnlyNoise) {
  EXPECT_EQ(differs(at::full({4}, 1e-7), at::zeros({4})), "");
  EXPECT_NE(differs(at::full({4}, 1e-4), at::zeros({4})), "");
}

TEST(TensorDifference, ASingleWrongElementIsFound) {
  for (const auto dtype : kFloats) {
    const auto want = at::ones({1'000'001}, dtype);
    auto got = want.to(at::kDouble).clone();
    got[777'777] = 1.75;
    EXPECT_THAT(differs(got.to(dtype), want), HasSubstr("(element 777777: 1.75 instead of 1)")) << dtype;
  }
}

TEST(TensorDifference, ValuesAtTheEndOfTheRangeAreCompared) {
  constexpr double kHuge = 1e308;
  EXPECT_THAT(differs(at::zeros({4}, at::kDouble), at::full({4}, kHuge, at::kDouble)), HasSubstr("differs by up to"));
  EXPECT_THAT(differs(at::full({4}, 0.9 * kHuge, at::kDouble), at::full({4}, kHuge, at::kDouble)),
              HasSubstr("differs"));
  EXPECT_THAT(differs(at::full({4}, -kHuge, at::kDouble), at::full({4}, kHuge, at::kDouble)), HasSubstr("differs"));
  EXPECT_EQ(differs(at::full({4}, 0.9999 * kHuge, at::kDouble), at::full({4}, kHuge, at::kDouble)), "");
}

TEST(TensorDifference, HugeElementsHideNoDifference) {
  auto want = at::ones({100});
  want[3] = -3e38;
  auto got = want.clone();
  EXPECT_EQ(differs(got, want), "");
  got[50] = 1.1;
  EXPECT_THAT(differs(got, want), HasSubstr("element 50"));
}

TEST(TensorDifference, SmallFloatsTolerateOneRounding) {
  for (const auto dtype : {at::kFloat8_e4m3fn, at::kFloat8_e4m3fnuz, at::kFloat8_e5m2, at::kFloat8_e5m2fnuz}) {
    const double step = dtype == at::kFloat8_e4m3fn || dtype == at::kFloat8_e4m3fnuz ? 0.125 : 0.25;
    const auto one = at::ones({3}).to(dtype);
    EXPECT_EQ(differs(at::full({3}, 1 + step).to(dtype), one), "") << dtype;
    EXPECT_NE(differs(at::full({3}, 1 + 3 * step).to(dtype), one), "") << dtype;
  }
  const auto one = at::ones({3}).to(at::kFloat8_e8m0fnu);
  EXPECT_EQ(differs(one, one.clone()), "");
  EXPECT_NE(differs(at::full({3}, 2.0F).to(at::kFloat8_e8m0fnu), one), "");
}

TEST(TensorDifference, PackedDtypesAreComparedByTheirBytes) {
  const auto packed = [](int value) { return at::full({3}, value, at::kByte).view(at::kFloat4_e2m1fn_x2); };
  EXPECT_EQ(differs(packed(7), packed(7)), "");
  EXPECT_EQ(differs(packed(7), packed(6)), "output 0 has other bytes than expected");
}

TEST(TensorDifference, LayoutsAreComparedAndStridesAreNot) {
  const auto ones = at::ones({2, 3});
  EXPECT_THAT(differs(ones.to_sparse(), ones), HasSubstr("output 0 has another layout"));
  EXPECT_EQ(differs(ones.to_sparse(), ones.to_sparse()), "");
  const auto x = at::arange(6, at::kFloat).reshape({2, 3});
  EXPECT_EQ(differs(x.t().contiguous().t(), x), "");
}

TEST(TensorDifference, ShapesOfEmptyTensorsAreCompared) {
  EXPECT_EQ(differs(at::empty({0, 3}), at::empty({0, 3})), "");
  EXPECT_EQ(differs(at::empty({0, 3}), at::empty({3, 0})),
            "output 0 has another shape than the expected one ([0, 3] instead of [3, 0])");
  EXPECT_THAT(differs(at::ones({1}), at::ones({1}, at::kLong)), HasSubstr("(float32 instead of int64)"));
}

}  // namespace
}  // namespace greenlane

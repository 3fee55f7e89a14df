#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace greenlane {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr DeviceId kCpu{DeviceKind::cpu, 0};

// As Inductor writes it, shortened: float32 [2..32, 8] and int64 [3].
constexpr std::string_view kSource = R"(
AOTI_NOINLINE static void check_input_0(
    AtenTensorHandle* input_handles
) {
    ConstantHandle arg0_1 = ConstantHandle(input_handles[0]);
    int32_t arg0_1_expected_dtype = aoti_torch_dtype_float32();
    if (arg0_1_expected_dtype != arg0_1_dtype) {
        ss << "input_handles[0]: unmatched dtype, "
    }
    auto arg0_1_size = arg0_1.sizes();

    if (arg0_1_size[0] < 2) {
    }

    if (arg0_1_size[0] > 32) {
    }

    if (8 != arg0_1_size[1]) {
           << "expected: 8, " << "but got: " << arg0_1_size[1]
    }
    auto arg0_1_stride = arg0_1.strides();

    if (8 != arg0_1_stride[0]) {
    }

    if (1 != arg0_1_stride[1]) {
    }
}

AOTI_NOINLINE static void check_input_1(
    AtenTensorHandle* input_handles
) {
    int32_t arg1_1_expected_dtype = aoti_torch_dtype_int64();
    if (3 != arg1_1_size[0]) {
    }
    if (1 != arg1_1_stride[0]) {
    }
}

static bool _check_aoti_runtime_check_inputs_env() {
    if (7 != other_size[0]) {
    }
}
)";

std::string dtype_source(const std::string& name) {
  return "static void check_input_0(\n    int32_t a_expected_dtype = aoti_torch_dtype_" + name +
         "();\n    if (4 != a_size[0]) {\n}\n";
}

class SignatureTest : public ::testing::Test {
 protected:
  // What the message says where `inputs` are given to the engine.
  [[nodiscard]] auto checking(std::vector<at::Tensor> inputs) const {
    return [this, inputs = std::move(inputs)] { signature_.check(inputs, kCpu, "policy"); };
  }

  Signature signature_ = Signature::from_wrapper_source(kSource);
  at::Tensor x_ = at::empty({4, 8}, at::kFloat);
  at::Tensor index_ = at::empty({3}, at::kLong);
};

TEST_F(SignatureTest, SizesDtypesAndStridesAreReadFromTheSource) {
  ASSERT_EQ(signature_.count(), 2U);
  ASSERT_EQ(signature_.inputs().size(), 2U);
  EXPECT_EQ(to_string(signature_.inputs()[0]), "float32 [2..32, 8]");
  EXPECT_EQ(to_string(signature_.inputs()[1]), "int64 [3]");
  EXPECT_EQ(signature_.inputs()[0].dimensions[0].stride, 8);
  EXPECT_EQ(signature_.inputs()[0].dimensions[1].stride, 1);
}

TEST_F(SignatureTest, SizesWithoutAnUpperBoundAreOpen) {
  const auto signature = Signature::from_wrapper_source("static void check_input_0(\n    if (a_size[0] < 2) {\n}\n");
  EXPECT_EQ(to_string(signature.inputs().at(0)), "any dtype [2..]");
  signature.check(std::vector{at::empty({1'000}, at::kFloat)}, kCpu, "policy");
}

TEST_F(SignatureTest, EveryDtypeOfInductorIsKnownByItsName) {
  const std::vector<std::pair<std::string, at::ScalarType>> dtypes{{"float32", at::kFloat},
                                                                   {"float64", at::kDouble},
                                                                   {"float16", at::kHalf},
                                                                   {"bfloat16", at::kBFloat16},
                                                                   {"float8_e4m3fn", at::kFloat8_e4m3fn},
                                                                   {"float8_e5m2", at::kFloat8_e5m2},
                                                                   {"int8", at::kChar},
                                                                   {"int16", at::kShort},
                                                                   {"int32", at::kInt},
                                                                   {"int64", at::kLong},
                                                                   {"uint8", at::kByte},
                                                                   {"uint16", at::kUInt16},
                                                                   {"uint32", at::kUInt32},
                                                                   {"uint64", at::kUInt64},
                                                                   {"bool", at::kBool},
                                                                   {"complex64", at::kComplexFloat},
                                                                   {"complex128", at::kComplexDouble}};
  for (const auto& [name, dtype] : dtypes) {
    const auto signature = Signature::from_wrapper_source(dtype_source(name));
    ASSERT_EQ(signature.count(), 1U) << name;
    EXPECT_EQ(signature.inputs()[0].dtype, dtype) << name;
    EXPECT_EQ(to_string(signature.inputs()[0]), name + " [4]");
  }
}

TEST_F(SignatureTest, ADtypeThatIsNotKnownIsNotChecked) {
  const auto signature = Signature::from_wrapper_source(dtype_source("float4_of_the_future"));
  EXPECT_EQ(signature.inputs().at(0).dtype, std::nullopt);
  signature.check(std::vector{at::empty({4}, at::kHalf)}, kCpu, "policy");
}

TEST_F(SignatureTest, NothingIsKnownOfAnEmptySource) {
  for (const std::string_view source : {"", "\n", "int main() {}\n"}) {
    const auto signature = Signature::from_wrapper_source(source);
    EXPECT_EQ(signature.count(), std::nullopt);
    EXPECT_TRUE(signature.inputs().empty());
    signature.check(std::vector{x_, x_, x_}, kCpu, "policy");
  }
}

TEST_F(SignatureTest, WhatFitsPasses) {
  checking({x_, index_})();
  checking({at::empty({2, 8}, at::kFloat), index_})();
  checking({at::empty({32, 8}, at::kFloat), index_})();
}

TEST_F(SignatureTest, TheStrideOfASingleElementDoesNotMatter) {
  const auto signature = Signature::from_wrapper_source(
      "static void check_input_0(\n if (1 != a_size[0]) {\n if (8 != a_stride[0]) {\n}\n");
  signature.check(std::vector{at::empty({1}, at::kFloat)}, kCpu, "policy");
}

TEST_F(SignatureTest, ANumberOfInputsThatDiffersIsRefused) {
  EXPECT_THAT(checking({x_}), refuses<EngineError>("'policy'", "takes 2 inputs", "1 were given"));
  EXPECT_THAT(checking({x_, index_, x_}), refuses<EngineError>("'policy'", "takes 2 inputs", "3 were given"));
}

TEST_F(SignatureTest, AnotherDtypeIsRefused) {
  EXPECT_THAT(checking({x_.to(at::kDouble), index_}),
              refuses<EngineError>("'policy'", "input 0", "float64 [4, 8]", "float32 [2..32, 8]"));
  EXPECT_THAT(checking({x_, index_.to(at::kInt)}),
              refuses<EngineError>("'policy'", "input 1", "int32 [3]", "int64 [3]"));
}

TEST_F(SignatureTest, AnotherSizeIsRefused) {
  const std::vector<std::vector<std::int64_t>> wrong{{4, 9}, {1, 8}, {33, 8}, {4}, {4, 8, 1}, {0, 8}};
  for (const auto& sizes : wrong) {
    const auto given = at::empty(sizes, at::kFloat);
    EXPECT_THAT(checking({given, index_}),
                refuses<EngineError>("'policy'", "input 0", c10::str(given.sizes()), "float32 [2..32, 8]"));
  }
}

TEST_F(SignatureTest, AnotherMemoryLayoutIsRefused) {
  const auto transposed = at::empty({8, 4}, at::kFloat).t();
  EXPECT_THAT(checking({transposed, index_}), refuses<EngineError>("'policy'", "input 0", "memory layout",
                                                                   "strides [1, 4]", "strides [8, 1]", "contiguous()"));
  const auto every_second = at::empty({6}, at::kLong).slice(0, 0, 6, 2);
  EXPECT_THAT(checking({x_, every_second}), refuses<EngineError>("'policy'", "input 1", "strides [2]", "strides [1]"));
}

TEST_F(SignatureTest, AnotherDeviceIsRefused) {
  EXPECT_THAT(checking({at::empty({4, 8}, at::TensorOptions(at::kMeta)), index_}),
              refuses<EngineError>("'policy'", "input 0", "on meta", "on cpu"));
  EXPECT_THAT([&] { signature_.check(std::vector{x_, index_}, {DeviceKind::cuda, 1}, "policy"); },
              refuses<EngineError>("'policy'", "input 0", "on cpu", "on cuda:1"));
}

TEST_F(SignatureTest, AnUndefinedTensorIsRefused) {
  EXPECT_THAT(checking({x_, at::Tensor()}), refuses<EngineError>("'policy'", "input 1", "undefined"));
}

// What PyTorch 2.14 and newer write besides: two inputs share an open size, and the third has no dimensions.
constexpr std::string_view kAssertions = R"(
AOTI_NOINLINE static void check_input_0(
    ConstantHandle a_1 = ConstantHandle(input_handles[0]);
}
AOTI_NOINLINE static void check_input_1(
    ConstantHandle b_1 = ConstantHandle(input_handles[1]);
}
AOTI_NOINLINE static void check_input_2(
    ConstantHandle c_1 = ConstantHandle(input_handles[2]);
}
    if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(a_1, {s77, 8L}, {8L, 1L}, "input"); }
    if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(b_1, {s77}, {1L}, "input"); }
    if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(c_1, {}, {}, "input"); }
)";

TEST_F(SignatureTest, SizesThatTheModelSharesMustAgree) {
  const auto signature = Signature::from_wrapper_source(kAssertions);
  const auto scalar = at::zeros({});
  EXPECT_NO_THROW(signature.check(std::vector{at::zeros({4, 8}), at::zeros({4}), scalar}, kCpu, "pair"));
  EXPECT_THAT([&] { signature.check(std::vector{at::zeros({4, 8}), at::zeros({3}), scalar}, kCpu, "pair"); },
              refuses<EngineError>("input 1", "'pair'", "dimension 0 is 3", "dimension 0 of input 0 is 4"));
}

TEST_F(SignatureTest, AScalarHasNoDimensions) {
  const auto signature = Signature::from_wrapper_source(kAssertions);
  EXPECT_THAT([&] { signature.check(std::vector{at::zeros({4, 8}), at::zeros({4}), at::zeros({1})}, kCpu, "pair"); },
              refuses<EngineError>("input 2", "'pair'"));
}

TEST_F(SignatureTest, DtypesAreNamedAsInPython) {
  EXPECT_THAT(checking({x_.to(at::kHalf), index_}), refuses<EngineError>("float16"));
  EXPECT_THAT(checking({x_.to(at::kHalf), index_}), ::testing::ThrowsMessage<EngineError>(Not(HasSubstr("Half"))));
}

}  // namespace
}  // namespace greenlane

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace greenlane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr DeviceId kCpu{DeviceKind::cpu, 0};

// A source as Inductor writes it, shortened: float32 [2..32, 8] and int64 [3].
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
  // Returns a function that checks `inputs`, and throws with the message.
  [[nodiscard]] auto checking(std::vector<at::Tensor> inputs) const {
    return [this, inputs = std::move(inputs)] { signature_.check(inputs, kCpu, "policy"); };
  }

  Signature signature_ = Signature::from_wrapper_source(kSource);
  at::Tensor x_ = at::empty({4, 8}, at::kFloat);
  at::Tensor index_ = at::empty({3}, at::kLong);
};

TEST_F(SignatureTest, TheSourceGivesSizesDtypesAndStrides) {
  ASSERT_EQ(signature_.count(), 2U);
  ASSERT_EQ(signature_.inputs().size(), 2U);
  EXPECT_EQ(to_string(signature_.inputs()[0]), "float32 [2..32, 8]");
  EXPECT_EQ(to_string(signature_.inputs()[1]), "int64 [3]");
  EXPECT_EQ(signature_.inputs()[0].dimensions[0].stride, 8);
  EXPECT_EQ(signature_.inputs()[0].dimensions[1].stride, 1);
}

TEST_F(SignatureTest, ASizeMayHaveNoUpperBound) {
  const auto signature = Signature::from_wrapper_source("static void check_input_0(\n    if (a_size[0] < 2) {\n}\n");
  EXPECT_EQ(to_string(signature.inputs().at(0)), "any dtype [2..]");
  signature.check(std::vector{at::empty({1'000}, at::kFloat)}, kCpu, "policy");
}

TEST_F(SignatureTest, EveryDtypeOfInductorIsKnown) {
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

TEST_F(SignatureTest, AnUnknownDtypeIsNotChecked) {
  const auto signature = Signature::from_wrapper_source(dtype_source("float4_of_the_future"));
  EXPECT_EQ(signature.inputs().at(0).dtype, std::nullopt);
  EXPECT_THAT(signature.unchecked(), ElementsAre(AllOf(HasSubstr("input 0"), HasSubstr("float4_of_the_future"))));
  signature.check(std::vector{at::empty({4}, at::kHalf)}, kCpu, "policy");
}

TEST_F(SignatureTest, AnEmptySourceGivesNoSignature) {
  for (const std::string_view source : {"", "\n", "int main() {}\n"}) {
    const auto signature = Signature::from_wrapper_source(source);
    EXPECT_EQ(signature.count(), std::nullopt);
    EXPECT_TRUE(signature.inputs().empty());
    signature.check(std::vector{x_, x_, x_}, kCpu, "policy");
  }
}

TEST_F(SignatureTest, ValidInputsAreAccepted) {
  checking({x_, index_})();
  checking({at::empty({2, 8}, at::kFloat), index_})();
  checking({at::empty({32, 8}, at::kFloat), index_})();
}

TEST_F(SignatureTest, TheStrideOfASingleElementDoesNotMatter) {
  const auto signature = Signature::from_wrapper_source(
      "static void check_input_0(\n if (1 != a_size[0]) {\n if (8 != a_stride[0]) {\n}\n");
  signature.check(std::vector{at::empty({1}, at::kFloat)}, kCpu, "policy");
}

TEST_F(SignatureTest, AnotherNumberOfInputsIsRefused) {
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

TEST_F(SignatureTest, ALazilyNegatedOrConjugatedTensorIsRefused) {
  EXPECT_THAT(checking({at::_neg_view(x_), index_}),
              refuses<EngineError>("'policy'", "input 0", "negative", "resolve_neg()"));
  const auto conjugate = at::zeros({4, 8}, at::kComplexFloat).conj();
  EXPECT_THAT([&] { Signature().check(std::vector{conjugate}, kCpu, "policy"); },
              refuses<EngineError>("'policy'", "input 0", "conjugate", "resolve_conj()"));
}

TEST_F(SignatureTest, ATensorWithoutMemoryIsRefused) {
  EXPECT_THAT(checking({at::_efficientzerotensor({4, 8}, at::kFloat), index_}),
              refuses<EngineError>("'policy'", "input 0", "zero tensor", "clone()"));
  auto emptied = x_.clone();
  emptied.storage().unsafeGetStorageImpl()->set_nbytes(16);
  EXPECT_THAT(checking({emptied, index_}), refuses<EngineError>("'policy'", "input 0", "storage is too small"));
  EXPECT_THAT(checking({x_.to_sparse(), index_}), refuses<EngineError>("'policy'", "input 0", "to_dense()"));
  const auto view = at::zeros({64}, at::kFloat).slice(0, 32).view({4, 8});
  checking({view, index_})();
}

// The additional lines of PyTorch 2.14 and newer. Two inputs share an open size, and the third has no dimensions.
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

TEST_F(SignatureTest, SharedSizesMustAgree) {
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

// One input as `check_input_N` states it: "if (…) {" for each condition.
struct Input {
  std::string name;
  std::vector<std::string> conditions;
};

// Returns the source of a wrapper, shortened. PyTorch 2.11 writes no assertions.
std::string wrapper(const std::vector<Input>& inputs, const std::vector<std::string>& symbols,
                    const std::vector<std::string>& body) {
  std::string text;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto index = std::to_string(i);
    text += "AOTI_NOINLINE static void check_input_" + index + "(\n) {\n    ConstantHandle " + inputs[i].name +
            " = ConstantHandle(input_handles[" + index + "]);\n    auto " + inputs[i].name +
            "_size = " + inputs[i].name + ".sizes();\n";
    for (const auto& condition : inputs[i].conditions) text += "    if (" + condition + ") {\n    }\n";
    text += "}\n";
  }
  text +=
      "void AOTInductorModel::run_impl(\n) {\n    auto inputs = "
      "steal_from_raw_handles_to_raii_handles(input_handles, " +
      std::to_string(inputs.size()) + ");\n";
  for (const auto& symbol : symbols) text += "    int64_t " + symbol + ";\n";
  text += "    inputs.clear();\n";
  for (const auto& line : body) text += "    " + line + "\n";
  for (const auto& input : inputs) text += "    " + input.name + ".reset();\n";
  return text + "} // AOTInductorModel::run_impl\n";
}

std::string asserts(const std::string& list) {
  return "if (_check_aoti_runtime_check_inputs_env()) { assert_size_stride(" + list + ", \"input\"); }";
}

auto calling(const Signature& signature, std::vector<at::Tensor> inputs) {
  return [&signature, inputs = std::move(inputs)] { signature.check(inputs, kCpu, "policy"); };
}

at::Tensor sized(std::initializer_list<std::int64_t> sizes) { return at::empty(sizes); }

// x [b, 8] and y [4*b, 8], with b from 2 to 99, as both versions write them.
const std::vector<Input> kRelated{{"arg0_1",
                                   {"arg0_1_size[0] < 2", "arg0_1_size[0] > 99", "8 != arg0_1_size[1]",
                                    "8 != arg0_1_stride[0]", "1 != arg0_1_stride[1]"}},
                                  {"arg1_1",
                                   {"arg1_1_size[0] < 8", "arg1_1_size[0] > 396", "8 != arg1_1_size[1]",
                                    "8 != arg1_1_stride[0]", "1 != arg1_1_stride[1]"}}};
const std::string kRelatedKernel =
    "cpp_fused_add_repeat_0((const float*)(arg0_1.data_ptr()), (const float*)(arg1_1.data_ptr()), s77);";

TEST_F(SignatureTest, AMultipleOfAnotherSizeIsChecked) {
  const std::vector<std::string> symbols{"s77 = arg0_1_size[0]"};
  const auto newer = Signature::from_wrapper_source(
      wrapper(kRelated, symbols,
              {asserts("arg0_1, {s77, 8L}, {8L, 1L}"), asserts("arg1_1, {4L*s77, 8L}, {8L, 1L}"), kRelatedKernel}));
  const auto older = Signature::from_wrapper_source(wrapper(kRelated, symbols, {kRelatedKernel}));
  for (const auto* signature : {&newer, &older}) {
    EXPECT_TRUE(signature->unchecked().empty());
    EXPECT_NO_THROW(calling(*signature, {sized({5, 8}), sized({20, 8})})());
    EXPECT_THAT(calling(*signature, {sized({5, 8}), sized({8, 8})}),
                refuses<EngineError>("input 1", "dimension 0 is 8", "must be 20", "4*s77", "s77 is 5",
                                     "dimension 0 of input 0"));
  }
}

// The inputs are x [n], y [n - 1] and z [2*n + 1]. The compiler's own symbol is n - 1.
TEST_F(SignatureTest, AConstantDifferenceOfSizesIsChecked) {
  const std::vector<Input> inputs{{"arg0_1", {"arg0_1_size[0] < 3", "arg0_1_size[0] > 999", "1 != arg0_1_stride[0]"}},
                                  {"arg1_1", {"arg1_1_size[0] < 2", "arg1_1_size[0] > 998", "1 != arg1_1_stride[0]"}},
                                  {"arg2_1", {"arg2_1_size[0] < 7", "arg2_1_size[0] > 1999", "1 != arg2_1_stride[0]"}}};
  const std::vector<std::string> symbols{"arg0_1_size_0 = arg0_1_size[0]", "s17 = (-1L) + arg0_1_size_0"};
  const std::string kernel = "cpp_fused_0(arg0_1.data_ptr(), arg1_1.data_ptr(), arg2_1.data_ptr(), s17);";
  const auto newer = Signature::from_wrapper_source(
      wrapper(inputs, symbols,
              {asserts("arg0_1, {1L + s17, }, {1L, }"), asserts("arg1_1, {s17, }, {1L, }"),
               asserts("arg2_1, {3L + 2L*s17, }, {1L, }"), kernel}));
  const auto older = Signature::from_wrapper_source(wrapper(inputs, symbols, {kernel}));
  for (const auto* signature : {&newer, &older}) {
    EXPECT_TRUE(signature->unchecked().empty());
    EXPECT_NO_THROW(calling(*signature, {sized({9}), sized({8}), sized({19})})());
    EXPECT_THAT(calling(*signature, {sized({9}), sized({9}), sized({19})}),
                refuses<EngineError>("input 1", "must be 8"));
    EXPECT_THAT(calling(*signature, {sized({9}), sized({8}), sized({18})}),
                refuses<EngineError>("input 2", "must be 19"));
  }
}

TEST_F(SignatureTest, ASizeMustBeAMultipleOfItsFactor) {
  const std::vector<Input> inputs{{"arg0_1", {"arg0_1_size[0] < 8", "arg0_1_size[0] > 396", "1 != arg0_1_stride[0]"}}};
  const std::string kernel = "cpp_fused_mul_0(arg0_1.data_ptr(), s65);";
  const auto newer = Signature::from_wrapper_source(
      wrapper(inputs,
              {"arg0_1_size_0 = arg0_1_size[0]",
               "s65 = c10::div_floor_integer(static_cast<int64_t>(arg0_1_size_0), static_cast<int64_t>(4L))"},
              {asserts("arg0_1, {4L*s65, }, {1L, }"), kernel}));
  const auto older = Signature::from_wrapper_source(
      wrapper(inputs, {"arg0_1_size_0 = arg0_1_size[0]", "s65 = (1.0/4.0)*arg0_1_size_0"}, {kernel}));
  for (const auto* signature : {&newer, &older}) {
    EXPECT_TRUE(signature->unchecked().empty());
    EXPECT_NO_THROW(calling(*signature, {sized({12})})());
    EXPECT_THAT(calling(*signature, {sized({13})}), refuses<EngineError>("input 0", "dimension 0 is 13"));
  }
  EXPECT_THAT(calling(newer, {sized({4})}), refuses<EngineError>("0/1 specialization"));
}

// The inputs are a [m], b [n] and c [m * n].
TEST_F(SignatureTest, AProductIsCheckedOrListedAsUnchecked) {
  const std::vector<Input> inputs{{"arg0_1", {"arg0_1_size[0] < 2", "1 != arg0_1_stride[0]"}},
                                  {"arg1_1", {"arg1_1_size[0] < 2", "1 != arg1_1_stride[0]"}},
                                  {"arg2_1", {"arg2_1_size[0] < 4", "1 != arg2_1_stride[0]"}}};
  const std::vector<std::string> symbols{"s77 = arg0_1_size[0]", "s17 = arg1_1_size[0]"};
  const std::string kernel = "cpp_fused_0(arg0_1.data_ptr(), arg1_1.data_ptr(), arg2_1.data_ptr(), s17, s77);";
  const auto newer =
      Signature::from_wrapper_source(wrapper(inputs, symbols,
                                             {asserts("arg0_1, {s77, }, {1L, }"), asserts("arg1_1, {s17, }, {1L, }"),
                                              asserts("arg2_1, {s17*s77, }, {1L, }"), kernel}));
  EXPECT_TRUE(newer.unchecked().empty());
  EXPECT_NO_THROW(calling(newer, {sized({2}), sized({7}), sized({14})})());
  EXPECT_THAT(calling(newer, {sized({2}), sized({7}), sized({15})}), refuses<EngineError>("input 2", "must be 14"));
  const auto older = Signature::from_wrapper_source(wrapper(inputs, symbols, {kernel}));
  EXPECT_THAT(older.unchecked(), ElementsAre(AllOf(HasSubstr("input 2"), HasSubstr("dimension 0"))));
  EXPECT_NO_THROW(calling(older, {sized({2}), sized({7}), sized({14})})());
}

// A square's range also fits a straight line: b*b with b from 2 to 99.
TEST_F(SignatureTest, AnAmbiguousRangeRefusesNothing) {
  const auto signature =
      Signature::from_wrapper_source(wrapper({{"a", {"a_size[0] < 2", "a_size[0] > 99", "1 != a_stride[0]"}},
                                              {"b", {"b_size[0] < 4", "b_size[0] > 9801", "1 != b_stride[0]"}}},
                                             {"s0 = a_size[0]"}, {"kernel(a.data_ptr(), b.data_ptr(), s0);"}));
  EXPECT_NO_THROW(calling(signature, {sized({3}), sized({9})})());
  EXPECT_THAT(signature.unchecked(), ElementsAre(HasSubstr("input 1")));
}

TEST_F(SignatureTest, ARangeBelowZeroTellsNothing) {
  const auto signature = Signature::from_wrapper_source(
      wrapper({{"a", {"a_size[0] < 2", "a_size[0] > 99", "1 != a_stride[0]"}},
               {"b", {"b_size[0] < -9223372036854775808", "b_size[0] > 32000", "1 != b_stride[0]"}}},
              {"s0 = a_size[0]"}, {"kernel(a.data_ptr(), b.data_ptr(), s0);"}));
  EXPECT_THAT(signature.unchecked(), ElementsAre(HasSubstr("input 1")));
}

// y has n // 2 elements for the n of x. The compiler knew this and did not write it.
TEST_F(SignatureTest, AnUnusedSizeIsListedAsUnchecked) {
  const auto signature = Signature::from_wrapper_source(wrapper(
      {{"a", {"a_size[0] < 4", "1 != a_stride[0]"}}, {"b", {"b_size[0] < 2", "1 != b_stride[0]"}}},
      {"s77 = a_size[0]", "s17 = b_size[0]"},
      {asserts("a, {s77, }, {1L, }"), asserts("b, {s17, }, {1L, }"), "kernel(a.data_ptr(), b.data_ptr(), s77);"}));
  EXPECT_THAT(signature.unchecked(), ElementsAre(AllOf(HasSubstr("input 1"), HasSubstr("dimension 0"))));
}

// PyTorch's operators read the sizes of tensors by themselves. A size that another input must have is checked at that
// input.
TEST_F(SignatureTest, SizesForOperatorsNeedNoCheck) {
  const std::vector<Input> inputs{{"a", {"a_size[0] < 2", "1 != a_stride[0]"}},
                                  {"b", {"b_size[0] < 2", "1 != b_stride[0]"}}};
  const auto operators = Signature::from_wrapper_source(
      wrapper(inputs, {"s0 = a_size[0]", "s1 = b_size[0]"},
              {asserts("a, {s0, }, {1L, }"), asserts("b, {s1, }, {1L, }"), "aoti_torch_cpu_dot_out(buf0, a, b);"}));
  EXPECT_TRUE(operators.unchecked().empty());
  const auto shared = Signature::from_wrapper_source(
      wrapper(inputs, {"s0 = a_size[0]"},
              {asserts("a, {s0, }, {1L, }"), asserts("b, {s0, }, {1L, }"), "kernel(a.data_ptr(), b.data_ptr());"}));
  EXPECT_TRUE(shared.unchecked().empty());
}

TEST_F(SignatureTest, AnUnreadInputNeedsNoCheck) {
  const auto signature = Signature::from_wrapper_source(wrapper(
      {{"a", {"a_size[0] < 2", "1 != a_stride[0]"}}, {"b", {"b_size[0] < 2", "b_size[1] < 2", "1 != b_stride[1]"}}},
      {"s77 = a_size[0]", "s17 = b_size[0]", "s94 = b_size[1]"},
      {asserts("a, {s77, }, {1L, }"), "kernel(a.data_ptr(), s77);"}));
  EXPECT_TRUE(signature.unchecked().empty());
  EXPECT_NO_THROW(calling(signature, {sized({4}), at::empty({3, 9}).slice(1, 0, 5)})());
}

const std::vector<Input> kMatrix{{"a", {"a_size[0] < 2", "a_size[1] < 2", "1 != a_stride[1]"}}};
const std::vector<std::string> kMatrixSymbols{"s77 = a_size[0]", "s27 = a_size[1]"};

TEST_F(SignatureTest, StridesThatDependOnSizesAreChecked) {
  const std::string kernel = "kernel(a.data_ptr(), s27, s77);";
  const auto newer =
      Signature::from_wrapper_source(wrapper(kMatrix, kMatrixSymbols, {asserts("a, {s77, s27}, {s27, 1L}"), kernel}));
  const auto older = Signature::from_wrapper_source(wrapper(kMatrix, kMatrixSymbols, {kernel}));
  for (const auto* signature : {&newer, &older}) {
    EXPECT_TRUE(signature->unchecked().empty());
    EXPECT_NO_THROW(calling(*signature, {sized({7, 9})})());
    EXPECT_THAT(calling(*signature, {at::empty({7, 10}).slice(1, 0, 9)}),
                refuses<EngineError>("memory layout", "strides [10, 1]", "contiguous()"));
  }
  EXPECT_THAT(calling(newer, {at::empty({7, 10}).slice(1, 0, 9)}), refuses<EngineError>("should have strides [9, 1]"));
}

TEST_F(SignatureTest, AStrideWithItsOwnSymbolMayHaveAnyValue) {
  const auto signature = Signature::from_wrapper_source(
      wrapper(kMatrix, {"s77 = a_size[0]", "s27 = a_size[1]", "s64 = a_stride[0]"},
              {asserts("a, {s77, s27}, {s64, 1L}"), "kernel(a.data_ptr(), s77, s27, s64);"}));
  EXPECT_TRUE(signature.unchecked().empty());
  EXPECT_NO_THROW(calling(signature, {at::empty({7, 10}).slice(1, 0, 9)})());
  EXPECT_THAT(calling(signature, {at::empty({9, 7}).t()}), refuses<EngineError>("memory layout"));
}

TEST_F(SignatureTest, ChannelsLastIsCheckedWithOpenSizes) {
  const std::vector<Input> inputs{
      {"a",
       {"a_size[0] < 2", "3 != a_size[1]", "a_size[2] < 2", "a_size[3] < 2", "1 != a_stride[1]", "3 != a_stride[3]"}}};
  const std::vector<std::string> symbols{"s68 = a_size[0]", "s59 = a_size[2]", "s38 = a_size[3]"};
  const std::string kernel = "kernel(a.data_ptr(), s68, s59, s38);";
  const auto newer = Signature::from_wrapper_source(
      wrapper(inputs, symbols, {asserts("a, {s68, 3L, s59, s38}, {3L*s38*s59, 1L, 3L*s38, 3L}"), kernel}));
  const auto older = Signature::from_wrapper_source(wrapper(inputs, symbols, {kernel}));
  const auto image = at::empty({4, 3, 7, 2}, at::MemoryFormat::ChannelsLast);
  for (const auto* signature : {&newer, &older}) {
    EXPECT_NO_THROW(calling(*signature, {image})());
    EXPECT_THAT(calling(*signature, {image.slice(2, 0, 6)}), refuses<EngineError>("memory layout"));
    EXPECT_THAT(calling(*signature, {at::empty({4, 3, 7, 2})}), refuses<EngineError>("memory layout"));
  }
  EXPECT_TRUE(newer.unchecked().empty());
  EXPECT_THAT(older.unchecked(), ElementsAre(HasSubstr("order in which its dimensions lie")));
}

TEST_F(SignatureTest, UnusedStridesDoNotMatter) {
  const auto signature = Signature::from_wrapper_source(
      wrapper({{"a", {"1 != a_size[0]", "8 != a_size[1]", "8 != a_stride[0]", "1 != a_stride[1]"}},
               {"b", {"0 != b_size[0]", "b_size[1] < 2", "1 != b_stride[1]"}}},
              {"s1 = b_size[1]"}, {asserts("a, {1L, 8L}, {8L, 1L}"), "kernel(a.data_ptr(), b.data_ptr(), s1);"}));
  EXPECT_TRUE(signature.unchecked().empty());
  EXPECT_NO_THROW(calling(signature, {at::empty_strided({1, 8}, {77, 1}), at::empty_strided({0, 5}, {9, 9})})());
}

TEST_F(SignatureTest, SizesZeroAndOneAreRefusedAsSpecialized) {
  EXPECT_THAT(
      checking({at::empty({1, 8}), index_}),
      refuses<EngineError>("input 0", "0/1 specialization", "dimension 0 may not be 1", "backed_size_oblivious"));
  EXPECT_THAT(checking({at::empty({0, 8}), index_}), refuses<EngineError>("0/1 specialization"));
  EXPECT_THAT(checking({at::empty({1, 7}), index_}), ::testing::ThrowsMessage<EngineError>(Not(HasSubstr("0/1"))));
  const auto oblivious = Signature::from_wrapper_source(
      wrapper({{"a", {"a_size[0] < 1", "a_size[0] > 16", "1 != a_stride[0]"}}}, {"s0 = a_size[0]"},
              {asserts("a, {s0, }, {1L, }"), "kernel(a.data_ptr(), s0);"}));
  EXPECT_NO_THROW(calling(oblivious, {sized({1})})());
  EXPECT_THAT(calling(oblivious, {sized({0})}), ::testing::ThrowsMessage<EngineError>(Not(HasSubstr("0/1"))));
}

TEST_F(SignatureTest, AnUnreadableExpressionIsListedAsUnchecked) {
  const auto signature = Signature::from_wrapper_source(wrapper(
      {{"a", {"a_size[0] < 2", "a_size[1] < 2", "1 != a_stride[1]"}}}, {"s0 = a_size[0]", "u3 = of_the_future(s0)"},
      {asserts("a, {s0, of_the_future(s0)}, {u3, 1L}"), "kernel(a.data_ptr(), s0);"}));
  EXPECT_THAT(signature.unchecked(), ElementsAre(AllOf(HasSubstr("input 0"), HasSubstr("size of its dimension 1")),
                                                 AllOf(HasSubstr("input 0"), HasSubstr("stride of its dimension 0"))));
  EXPECT_NO_THROW(calling(signature, {at::empty({7, 10}).slice(1, 0, 9)})());
}

TEST_F(SignatureTest, AScalarHasNoDimensionsWithoutAssertions) {
  const auto signature = Signature::from_wrapper_source(wrapper({{"a", {}}}, {}, {"kernel(a.data_ptr());"}));
  EXPECT_NO_THROW(calling(signature, {at::zeros({})})());
  EXPECT_THAT(calling(signature, {at::zeros({1})}), refuses<EngineError>("compiled for any dtype []"));
}

TEST_F(SignatureTest, AModelWithoutInputsTakesNone) {
  const auto signature = Signature::from_wrapper_source(wrapper({}, {}, {}));
  EXPECT_EQ(signature.count(), 0U);
  EXPECT_THAT(calling(signature, {at::zeros({1})}), refuses<EngineError>("takes 0 inputs"));
}

TEST_F(SignatureTest, DtypesAreNamedAsInPython) {
  EXPECT_THAT(checking({x_.to(at::kHalf), index_}), refuses<EngineError>("float16"));
  EXPECT_THAT(checking({x_.to(at::kHalf), index_}), ::testing::ThrowsMessage<EngineError>(Not(HasSubstr("Half"))));
}

}  // namespace
}  // namespace greenlane

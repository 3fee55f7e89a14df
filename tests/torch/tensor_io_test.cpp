#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/torch/versions.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace greenlane {
namespace {

using models::path_of;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string written(const std::string& name, const std::string& bytes) {
  static const Folder folder;
  return folder.write(name, bytes).string();
}

TEST(LoadTensors, AListIsRead) {
  const auto tensors = load_tensors(path_of("pair.inputs.pt"));
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].scalar_type(), at::kFloat);
  EXPECT_EQ(tensors[0].sizes(), (at::IntArrayRef{4, 8}));
  EXPECT_TRUE(at::equal(tensors[1], at::tensor({3, 1, 4, 1}, at::kLong)));
}

TEST(LoadTensors, ATupleIsRead) {
  const auto tensors = load_tensors(path_of("tuple.pt"));
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_TRUE(at::equal(tensors[0], at::ones({2})));
  EXPECT_TRUE(at::equal(tensors[1], at::zeros({3})));
}

TEST(LoadTensors, OtherContentsAreRefused) {
  for (const auto* file : {"dict.pt", "bare.pt", "mixed.pt"}) {
    EXPECT_THAT([&] { (void)load_tensors(path_of(file)); },
                refuses<ConfigError>(path_of(file), "no list of tensors", "torch.save"));
  }
}

TEST(LoadTensors, AMissingOrEmptyFileIsRefused) {
  for (const auto& path : {std::string("/nowhere/x.pt"), written("empty.pt", ""), path_of("")}) {
    EXPECT_THAT([&] { (void)load_tensors(path); }, refuses<ConfigError>(path, "could not be read", "torch.save"));
  }
}

TEST(LoadTensors, GarbageIsRefused) {
  for (const std::string bytes : {"garbage", "PK\x03\x04 and then nothing", "\x80\x02]q"}) {
    const auto path = written("garbage.pt", bytes);
    EXPECT_THAT([&] { (void)load_tensors(path); }, refuses<ConfigError>(path, "could not be read", "torch.save"));
  }
}

TEST(LoadTensors, ATruncatedFileIsRefused) {
  std::ifstream whole(path_of("threads.inputs.pt"), std::ios::binary);
  std::string bytes(5'000, '\0');
  whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto path = written("truncated.pt", bytes);
  EXPECT_THAT([&] { (void)load_tensors(path); }, refuses<ConfigError>(path, "could not be read"));
}

TEST(LoadTensors, CodeInAFileIsRefusedAndNotRun) {
  const auto evidence = std::filesystem::current_path() / "code_was_run";  // the file that the pickle would make
  ASSERT_FALSE(std::filesystem::exists(evidence));
  EXPECT_THAT([] { (void)load_tensors(path_of("code.pt")); }, refuses<ConfigError>("code.pt"));
  EXPECT_FALSE(std::filesystem::exists(evidence));
}

TEST(LoadTensors, AnErrorIsOneLine) {
  try {
    (void)load_tensors(path_of("code.pt"));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
  }
}

TEST(ToDevice, TensorsOnTheDeviceAreNotCopied) {
  const std::vector<at::Tensor> tensors{at::ones({2})};
  EXPECT_TRUE(to_device(tensors, {DeviceKind::cpu, 0}).at(0).is_same(tensors[0]));
}

TEST(LoadOperatorLibrary, AnInvalidLibraryIsRefused) {
  EXPECT_THAT([] { load_operator_library("/nowhere/lib.so"); }, refuses<ConfigError>("/nowhere/lib.so", "libraries"));
  EXPECT_THAT([] { load_operator_library(path_of("bare.pt")); }, refuses<ConfigError>("bare.pt", "libraries"));
}

TEST(Difference, EqualTensorsDoNotDiffer) {
  EXPECT_EQ(difference({}, {}), "");
  const std::vector<at::Tensor> tensors{at::randn({3, 4}), at::arange(5), at::ones({2}, at::kBool), at::empty({0})};
  EXPECT_EQ(difference(tensors, tensors), "");
}

TEST(Difference, TheNumberOfOutputsIsCompared) {
  EXPECT_EQ(difference({at::ones({1})}, {}), "1 outputs instead of 0");
  EXPECT_EQ(difference({}, {at::ones({1})}), "0 outputs instead of 1");
}

TEST(Difference, ShapesAndDtypesAreCompared) {
  const auto ones = at::ones({2});
  EXPECT_THAT(difference({ones, at::ones({2, 1})}, {ones, ones}), HasSubstr("output 1 has another shape"));
  EXPECT_THAT(difference({ones.to(at::kHalf)}, {ones}), HasSubstr("output 0 has another dtype"));
}

TEST(Difference, TheToleranceDependsOnTheDtype) {
  struct Case {
    at::ScalarType dtype;
    double within;
    double beyond;
  };
  // The values are near 1, where relative and absolute tolerance add up.
  for (const auto& [dtype, within, beyond] : {Case{at::kFloat, 0.0015, 0.0025}, Case{at::kDouble, 0.0015, 0.0025},
                                              Case{at::kHalf, 0.03, 0.05}, Case{at::kBFloat16, 0.03, 0.05}}) {
    const auto one = at::ones({3}, dtype);
    const auto off_by = [&](double error) {
      return (one.to(at::kDouble) + at::tensor({0.0, error, 0.0}, at::kDouble)).to(dtype);
    };
    EXPECT_EQ(difference({off_by(within)}, {one}), "") << dtype;
    EXPECT_THAT(difference({off_by(beyond)}, {one}), HasSubstr("output 0 differs by up to 0.0")) << dtype;
  }
}

TEST(Difference, IntegersAreComparedExactly) {
  EXPECT_THAT(difference({at::tensor({1, 100'000}, at::kLong)}, {at::tensor({1, 100'001}, at::kLong)}),
              HasSubstr("differs by up to 1"));
  EXPECT_NE(difference({at::ones({1}, at::kBool)}, {at::zeros({1}, at::kBool)}), "");
}

TEST(Difference, NotANumberDiffersFromANumber) {
  const auto nan = at::full({2}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_NE(difference({nan}, {at::ones({2})}), "");
  EXPECT_NE(difference({at::ones({2})}, {nan}), "");
}

TEST(Versions, VersionsAreNumbers) {
  EXPECT_THAT(torch_version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(cuda_version(), MatchesRegex("[0-9]+\\.[0-9]+"));
}

TEST(AllocatorBytes, TheCpuHasNoAllocatorBytes) { EXPECT_EQ(allocator_bytes({DeviceKind::cpu, 0}), 0U); }

}  // namespace
}  // namespace greenlane

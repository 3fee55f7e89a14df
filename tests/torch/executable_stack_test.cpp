#include "torch/executable_stack.hpp"

#include "support/matchers.hpp"
#include "support/runtime_folder.hpp"
#include "support/torch_models.hpp"
#include "torch/package.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/aoti.hpp>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace greenlane::detail {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(ExecutableStack, ThePackageAsksForOneAndItsCopyDoesNot) {
  const auto path = models::path_of("affine.pt2");
  const auto flags = read_package(path, "model").executable_stacks;
  ASSERT_EQ(flags.size(), 1U) << "AOTInductor marks its assembly now: this source may no longer be needed";
  const auto before = bytes_of(path);
  std::string copy;
  {
    const LoadablePackage loadable(path, flags);
    copy = loadable.path();
    ASSERT_NE(copy, path);
    EXPECT_TRUE(read_package(copy, "model").executable_stacks.empty());
    auto expected = before;
    expected[flags[0]] = static_cast<char>(expected[flags[0]] & ~1);
    EXPECT_TRUE(bytes_of(copy) == expected);
    const auto inputs = models::inputs_of("affine");
    EXPECT_TRUE(at::equal(load_aoti(copy)->run(inputs).at(0), load_aoti(path)->run(inputs).at(0)));
  }
  EXPECT_FALSE(std::filesystem::exists(copy));
  EXPECT_TRUE(bytes_of(path) == before);
}

TEST(ExecutableStack, APackageThatAsksForNoneIsNotCopied) {
  const auto path = models::path_of("affine.pt2");
  EXPECT_EQ(LoadablePackage(path, {}).path(), path);
}

TEST(ExecutableStack, OtherFilesAskForNone) {
  EXPECT_TRUE(executable_stack_flags("/nowhere", 0).empty());
  const auto path = models::path_of("affine.pt2");
  EXPECT_TRUE(executable_stack_flags(path, 0).empty());              // no library begins here
  EXPECT_TRUE(executable_stack_flags(path, 1ULL << 40).empty());     // nor behind the end
  EXPECT_TRUE(executable_stack_flags("/proc/self/exe", 0).empty());  // a program that asks for none
}

TEST(ExecutableStackAlone, ACopyThatCannotBeWrittenIsRefused) {
  const Folder folder;
  ASSERT_EQ(setenv("TMPDIR", (folder / "missing").c_str(), 1), 0);
  EXPECT_THAT([] { (void)LoadablePackage(models::path_of("affine.pt2"), {64}); },
              refuses<EngineError>("affine.pt2", "asks for an executable stack", "set TMPDIR"));
}

}  // namespace
}  // namespace greenlane::detail

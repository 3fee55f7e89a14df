#include "core/named_file.hpp"

#include "support/matchers.hpp"

#include <greenlane/core/error.hpp>

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <limits>

namespace greenlane::detail {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class NamedFileTest : public ::testing::Test {
 protected:
  NamedFileTest() : folder_(fs::temp_directory_path() / ("named_file_test." + std::to_string(getpid()))) {
    fs::create_directory(folder_);
  }
  ~NamedFileTest() override { fs::remove_all(folder_); }
  static std::string read(const fs::path& path) { return read_named_file(path, "it", "do that"); }
  fs::path folder_;
};

TEST_F(NamedFileTest, APlainFileIsReadToItsEnd) {
  const auto file = folder_ / "a";
  const std::string text = std::string(100'000, 'x') + "\n";
  std::ofstream(file) << text;
  EXPECT_EQ(why_unreadable(file), "");
  EXPECT_EQ(read(file), text);
  std::ofstream(file).flush();
  EXPECT_EQ(read(file), "");
}

TEST_F(NamedFileTest, EveryUnreadablePathHasAReason) {
  fs::create_symlink("loop", folder_ / "loop");
  fs::create_symlink("nowhere", folder_ / "dangling");
  const std::pair<fs::path, const char*> cases[] = {
      {"", "its name is empty"},
      {folder_, "it is a folder"},
      {folder_ / "nowhere", "there is no such file"},
      {folder_ / "dangling", "there is no such file"},
      {folder_ / "loop", "cannot be reached"},
      {folder_ / std::string(300, 'a'), "cannot be reached"},
      {std::string("a\0b", 3), "zero byte"},
  };
  for (const auto& [path, why] : cases) {
    EXPECT_THAT(why_unreadable(path), HasSubstr(why)) << path;
    EXPECT_THAT([&] { (void)read(path); }, refuses<ConfigError>("it: ", why, "; do that"));
  }
}

TEST_F(NamedFileTest, AFileOfAnotherUserIsNotReadable) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const auto file = folder_ / "a";
  std::ofstream(file) << "x";
  fs::permissions(file, fs::perms::none);
  EXPECT_THAT(why_unreadable(file), HasSubstr("Permission denied"));
  EXPECT_THAT([&] { (void)read(file); }, refuses<ConfigError>("Permission denied"));
}

TEST_F(NamedFileTest, DevicesMayBeReadUpToALimit) {
  EXPECT_THAT(why_unreadable("/dev/null"), HasSubstr("no plain file"));
  EXPECT_EQ(read("/dev/null"), "");
  EXPECT_THAT([] { (void)read("/dev/zero"); }, refuses<ConfigError>("longer than 256 MiB"));
}

TEST_F(NamedFileTest, AnUnusableTemporaryFolderIsNamed) {
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", folder_.c_str(), 1);
  EXPECT_EQ(why_no_temporary_files(1), "");
  EXPECT_THAT(why_no_temporary_files(std::numeric_limits<std::uintmax_t>::max()),
              ::testing::AllOf(HasSubstr("MiB are free, and"), HasSubstr("MiB are needed")));
  setenv("TMPDIR", (folder_ / "nowhere").c_str(), 1);
  EXPECT_THAT(why_no_temporary_files(1),
              ::testing::AllOf(HasSubstr("TMPDIR=" + (folder_ / "nowhere").string()), HasSubstr("No such file")));
  const auto file = folder_ / "file";
  std::ofstream(file) << "x";
  setenv("TMPDIR", file.c_str(), 1);
  EXPECT_THAT(why_no_temporary_files(1), HasSubstr("no folder"));
  if (before == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace greenlane::detail

#include "runtime/output_target.hpp"
#include "support/runtime_folder.hpp"

#include <gmock/gmock.h>

namespace greenlane::runtime {
namespace {

namespace fs = std::filesystem;

TEST(IdentityOf, AllPathsToAFileHaveOneIdentity) {
  const Folder folder;
  const auto file = folder.write("inside/file", "x");
  const auto other = folder.write("other", "x");
  fs::create_symlink("inside/file", folder / "link");
  fs::create_hard_link(file, folder / "hard");
  ASSERT_TRUE(identity_of(file));
  EXPECT_EQ(identity_of(file), identity_of(folder / "inside/../inside/./file"));
  EXPECT_EQ(identity_of(file), identity_of(folder / "link"));
  EXPECT_EQ(identity_of(file), identity_of(folder / "hard"));
  EXPECT_NE(identity_of(file), identity_of(other));
}

TEST(IdentityOf, AMissingFileIsIdentifiedByFolderAndName) {
  const Folder folder;
  (void)folder.write("inside/file", "x");
  fs::create_symlink("inside", folder / "folder");
  fs::create_symlink("inside/new", folder / "link");
  ASSERT_TRUE(identity_of(folder / "inside/new"));
  EXPECT_EQ(identity_of(folder / "inside/new"), identity_of(folder / "folder/new"));
  EXPECT_EQ(identity_of(folder / "inside/new"), identity_of(folder / "link"));
  EXPECT_NE(identity_of(folder / "inside/new"), identity_of(folder / "inside/other"));
  EXPECT_NE(identity_of(folder / "inside/new"), identity_of(folder / "new"));
}

TEST(IdentityOf, ABrokenPathHasNoIdentity) {
  const Folder folder;
  fs::create_symlink("round", folder / "round");
  EXPECT_FALSE(identity_of(folder / "round"));
  EXPECT_FALSE(identity_of(folder / "missing/file"));
}

TEST(DescriptorOf, StandardOutputIsFoundBehindLinks) {
  const Folder folder;
  fs::create_symlink("/dev/stdout", folder / "link");
  EXPECT_EQ(descriptor_of(folder / "link"), 1);
  EXPECT_EQ(descriptor_of("/dev/stderr"), 2);
  EXPECT_EQ(descriptor_of("/proc/self/fd/1"), 1);
  EXPECT_EQ(descriptor_of(folder / "1"), std::nullopt);
}

}  // namespace
}  // namespace greenlane::runtime

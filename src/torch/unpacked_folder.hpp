// The folder that PyTorch unpacks a package to, and leaves behind if it fails to load the package.
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace greenlane::detail {

// A record of the folders for temporary files before a load. While it lives, other processes of greenlane see that the
// package is being loaded.
// Thread safety: one load at a time in the process.
class UnpackedFolder {
 public:
  explicit UnpackedFolder(const std::filesystem::path& package);
  ~UnpackedFolder();
  UnpackedFolder(const UnpackedFolder&) = delete;
  UnpackedFolder& operator=(const UnpackedFolder&) = delete;

  // Removes the folder after a load that threw, because the destructor that would remove it never ran.
  // The folder is recognised as new, this user's, and with no file but the package's `records`. It stays if another
  // process may be using it: if there are several such folders, if another process loads the same package, or if one
  // has mapped a file in the folder.
  void remove(const std::set<std::string>& records) const noexcept;

 private:
  int package_;  // a descriptor with a shared lock; negative if the file cannot be opened
  std::set<std::filesystem::path> parents_;
  std::set<std::filesystem::path> before_;
};

}  // namespace greenlane::detail

// The folder that PyTorch unpacks a package to, and leaves behind if it fails to load the package.
#pragma once

#include <filesystem>
#include <set>

namespace greenlane::detail {

// A record of the folders for temporary files before a load.
// Thread safety: one load at a time in the process.
class UnpackedFolder {
 public:
  UnpackedFolder();

  // Removes the folder after a load that threw, because the destructor that would remove it never ran. The folder is
  // recognised as new, this user's, and an unpacked package. If there are several (another process loads a package at
  // the same time), all stay.
  void remove() const noexcept;

 private:
  std::set<std::filesystem::path> places_;
  std::set<std::filesystem::path> before_;
};

}  // namespace greenlane::detail

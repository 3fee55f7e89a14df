// What PyTorch leaves behind where it fails to load a package: the folder that it unpacked the package to.
#pragma once

#include <filesystem>
#include <set>

namespace greenlane::detail {

// Looks at the folders for temporary files before a load. One load at a time in the process.
class UnpackedFolder {
 public:
  UnpackedFolder();

  // Removes the folder, after a load that threw: its destructor, which would do that, never ran. The folder is known by
  // being new, this user's and an unpacked package. Where there are several (another process loads one at the same
  // time), all stay.
  void remove() const noexcept;

 private:
  std::set<std::filesystem::path> places_;
  std::set<std::filesystem::path> before_;
};

}  // namespace greenlane::detail

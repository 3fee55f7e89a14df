#include "torch/unpacked_folder.hpp"

#include "core/named_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <vector>

namespace greenlane::detail {
namespace {

namespace fs = std::filesystem;

// Returns the folders in a folder, without links; none if it cannot be read.
std::vector<fs::path> folders_in(const fs::path& place) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator each(place, error), end; !error && each != end; each.increment(error)) {
    std::error_code unknown;
    if (!each->is_symlink(unknown) && each->is_directory(unknown)) folders.push_back(each->path());
  }
  return folders;
}

// Returns whether the folder is as mkdtemp() makes it, and this user's.
bool is_private(const fs::path& folder) {
  struct stat found{};
  return lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid() &&
         (found.st_mode & 0777) == 0700;
}

// Returns whether the folder holds an unpacked package. PyTorch's archives have one folder around everything; older
// ones have none.
bool is_unpacked_package(const fs::path& folder) {
  const auto holds_models = [](const fs::path& path) {
    std::error_code missing;
    return fs::is_directory(path / "data" / "aotinductor", missing);
  };
  return holds_models(folder) || std::ranges::any_of(folders_in(folder), holds_models);
}

}  // namespace

// Older versions of PyTorch use /tmp whatever the environment says.
UnpackedFolder::UnpackedFolder() : places_{temporary_folder(), "/tmp"} {
  for (const auto& place : places_) {
    for (auto& folder : folders_in(place)) before_.insert(std::move(folder));
  }
}

void UnpackedFolder::remove() const noexcept {
  try {
    std::vector<fs::path> found;
    for (const auto& place : places_) {
      for (auto& folder : folders_in(place)) {
        if (!before_.contains(folder) && is_private(folder) && is_unpacked_package(folder))
          found.push_back(std::move(folder));
      }
    }
    std::error_code error;
    if (found.size() == 1) fs::remove_all(found.front(), error);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): then it stays, and the load's own error counts
  }
}

}  // namespace greenlane::detail

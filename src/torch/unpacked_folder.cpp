#include "torch/unpacked_folder.hpp"

#include "core/named_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace greenlane::detail {
namespace {

namespace fs = std::filesystem;

// Returns the folders in a folder, without links; none if it cannot be read.
std::vector<fs::path> folders_in(const fs::path& parent) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator each(parent, error), end; !error && each != end; each.increment(error)) {
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

// Returns whether the folder holds files of the package, and no others. PyTorch's archives have one folder around all
// records; older ones have none. A folder that another process removes meanwhile is none of the package's.
bool holds_only(const fs::path& folder, const std::set<std::string>& records) {
  bool is_there = false;
  std::error_code gone;
  for (fs::recursive_directory_iterator each(folder, gone), end; !gone && each != end; each.increment(gone)) {
    const auto status = each->symlink_status(gone);
    if (gone) break;
    if (fs::is_directory(status)) continue;
    const auto path = each->path().lexically_relative(folder);
    const auto inside = path.lexically_relative(*path.begin());
    if (fs::is_symlink(status) || !(records.contains(path.string()) || records.contains(inside.string()))) return false;
    is_there = true;
  }
  return is_there && !gone;
}

// Returns whether another process of this user has mapped a file in the folder, as it does with a package's library.
bool is_mapped_elsewhere(const fs::path& folder) {
  const auto inside = folder.string() + "/";
  const auto here = "/proc/" + std::to_string(getpid());
  for (const auto& process : folders_in("/proc")) {
    if (process == here || process.filename().string().find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream maps(process / "maps");
    for (std::string line; std::getline(maps, line);) {
      if (line.find(inside) != std::string::npos) return true;
    }
  }
  return false;
}

}  // namespace

// Older versions of PyTorch use /tmp whatever the environment says.
UnpackedFolder::UnpackedFolder(const fs::path& package)
    : package_(::open(package.c_str(), O_RDONLY | O_CLOEXEC)), parents_{temporary_folder(), "/tmp"} {
  if (package_ >= 0) (void)::flock(package_, LOCK_SH | LOCK_NB);
  for (const auto& parent : parents_) {
    for (auto& folder : folders_in(parent)) before_.insert(std::move(folder));
  }
}

UnpackedFolder::~UnpackedFolder() {
  if (package_ >= 0) ::close(package_);
}

void UnpackedFolder::remove(const std::set<std::string>& records) const noexcept {
  try {
    std::vector<fs::path> found;
    for (const auto& parent : parents_) {
      for (auto& folder : folders_in(parent)) {
        if (!before_.contains(folder) && is_private(folder) && holds_only(folder, records))
          found.push_back(std::move(folder));
      }
    }
    if (found.size() != 1 || is_mapped_elsewhere(found.front())) return;
    // Fails if another process holds its shared lock.
    if (package_ < 0 || ::flock(package_, LOCK_EX | LOCK_NB) != 0) return;
    std::error_code error;
    fs::remove_all(found.front(), error);
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): then it stays, and the load's own error counts
  }
}

}  // namespace greenlane::detail

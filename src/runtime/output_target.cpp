#include "runtime/output_target.hpp"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

namespace greenlane::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;

// Returns N for a path to descriptor N of this process; "/dev/fd" and "/proc/self/fd" lead to the folder of its
// descriptors.
std::optional<int> number_in_proc(const fs::path& path) {
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 0) return {};
  std::error_code missing;
  const auto folder = fs::canonical(folder_of(path), missing);
  if (missing || folder != "/proc/" + std::to_string(getpid()) + "/fd") return {};
  return number;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Returns the standard stream that is open on this file. A rename would take the file away from later output.
std::optional<int> stream_on(const struct stat& file) {
  for (const int number : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat stream{};
    if (fstat(number, &stream) == 0 && is_same(file, stream)) return number;
  }
  return {};
}

OutputTarget target_of_found(const fs::path& path, const struct stat& found) {
  OutputTarget target{.kind = OutputTarget::Kind::in_place, .path = path, .descriptor = -1, .found = found};
  if (!S_ISREG(found.st_mode)) return target;
  target.kind = OutputTarget::Kind::replaced;
  if (const auto stream = stream_on(found)) {
    target.kind = OutputTarget::Kind::descriptor;
    target.descriptor = *stream;
  }
  return target;
}

}  // namespace

fs::path folder_of(const fs::path& path) {
  const auto folder = path.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

int find_target(fs::path path, OutputTarget& target) {
  for (int links = 0; links < kMostLinks; ++links) {
    if (const auto number = number_in_proc(path)) {
      target = {.kind = OutputTarget::Kind::descriptor, .path = path, .descriptor = *number, .found = {}};
      return 0;
    }
    struct stat found{};
    if (lstat(path.c_str(), &found) != 0) {
      if (errno != ENOENT) return errno;
      target = {.kind = OutputTarget::Kind::replaced, .path = path, .descriptor = -1, .found = {}};
      return 0;
    }
    if (!S_ISLNK(found.st_mode)) {
      target = target_of_found(path, found);
      return 0;
    }
    std::error_code error;
    const auto next = fs::read_symlink(path, error);
    if (error) return error.value();
    path = next.is_absolute() ? next : folder_of(path) / next;
  }
  return ELOOP;
}

std::optional<FileIdentity> identity_of(const fs::path& path) {
  OutputTarget target;
  if (find_target(path, target) != 0) return {};
  struct stat found{};
  if (target.kind == OutputTarget::Kind::descriptor) {
    if (fstat(target.descriptor, &found) != 0) return {};
  } else if (target.found) {
    found = *target.found;
  } else {
    if (::stat(folder_of(target.path).c_str(), &found) != 0) return {};
    return FileIdentity{.device = found.st_dev, .inode = found.st_ino, .name = target.path.filename().string()};
  }
  return FileIdentity{.device = found.st_dev, .inode = found.st_ino, .name = {}};
}

std::optional<int> descriptor_of(const fs::path& path) {
  OutputTarget target;
  if (find_target(path, target) != 0 || target.kind != OutputTarget::Kind::descriptor) return {};
  return target.descriptor;
}

}  // namespace greenlane::runtime

// Finds the file that a path names, before that file is written.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

namespace greenlane::runtime {

// The place that a text goes to.
struct OutputTarget {
  enum class Kind {
    replaced,    // a regular file, or none yet: written beside and renamed
    in_place,    // a device or a pipe
    descriptor,  // open in this process
  };
  Kind kind = Kind::replaced;
  std::filesystem::path path;
  int descriptor = -1;
  // Absent for a file that is not there yet.
  std::optional<struct stat> found;
};

// Finds it for a path. Follows links one by one, because a descriptor may be behind one.
// Returns: an error number, or 0.
[[nodiscard]] int find_target(std::filesystem::path path, OutputTarget& target);

// The folder of a file; "." for a bare name.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);

// A file, however its path is spelled.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  // Of a file that is not there yet: its name, and the two above are its folder's.
  std::string name;

  bool operator==(const FileIdentity&) const = default;
};

// Follows symbolic links. Absent where the path leads nowhere.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

// The descriptor of this process that the path names ("/dev/stdout", "/proc/self/fd/5"), or that is open on the regular
// file that the path names, if it is standard output or standard error.
[[nodiscard]] std::optional<int> descriptor_of(const std::filesystem::path& path);

}  // namespace greenlane::runtime

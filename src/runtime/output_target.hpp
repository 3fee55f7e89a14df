// Finds the file that a path names, before that file is written.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

namespace greenlane::runtime {

// The place to which a text is written.
struct OutputTarget {
  enum class Kind {
    replaced,    // a regular file, or none yet: a file beside it is written and renamed
    in_place,    // a device or a pipe
    descriptor,  // a descriptor that is open in this process
  };
  Kind kind = Kind::replaced;
  std::filesystem::path path;
  int descriptor = -1;
  // Absent for a file that is not there yet.
  std::optional<struct stat> found;
};

// Finds the target of a path. Follows links one by one, because a link may lead to a descriptor.
// Returns: an error number, or 0.
[[nodiscard]] int find_target(std::filesystem::path path, OutputTarget& target);

// Returns the folder of a file; "." for a bare name.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& path);

// The identity of a file, however its path is spelled.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  // The name of a file that is not there yet; `device` and `inode` are its folder's then. Empty for a file that is
  // there.
  std::string name;

  bool operator==(const FileIdentity&) const = default;
};

// Returns the identity of a file; follows symbolic links. Absent where the path leads nowhere.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

// Returns the descriptor of this process that the path names ("/dev/stdout", "/proc/self/fd/5"). For a regular file,
// returns standard output or standard error if that stream is open on it. Absent otherwise.
[[nodiscard]] std::optional<int> descriptor_of(const std::filesystem::path& path);

}  // namespace greenlane::runtime

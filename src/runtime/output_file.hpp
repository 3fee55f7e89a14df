// Which file a path names, before that file is written. write_file() and check_writable() are in report.hpp.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace greenlane::runtime {

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

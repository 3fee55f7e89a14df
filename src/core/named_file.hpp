// Files that the user names: why one cannot be read, and its text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace greenlane::detail {

// Returns the reason why `path` cannot be read as a plain file; empty if it can. Never throws for a bad path.
[[nodiscard]] std::string why_unreadable(const std::filesystem::path& path);

// Returns the folder for temporary files as PyTorch looks for it: TMPDIR, TMP, TEMP or TEMPDIR, else /tmp.
[[nodiscard]] std::filesystem::path temporary_folder();

// Returns the reason why no temporary files of `bytes` in all can be made, naming the variable; empty if they can be.
[[nodiscard]] std::string why_no_temporary_files(std::uintmax_t bytes);

// Reads a plain file, a pipe or a device to its end.
// Throws: ConfigError, with `what` before the reason and `remedy` after it; also for a file over 256 MiB.
[[nodiscard]] std::string read_named_file(const std::filesystem::path& path, const std::string& what,
                                          const std::string& remedy);

}  // namespace greenlane::detail

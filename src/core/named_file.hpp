// Files that the user names: why one cannot be read, and its text.
#pragma once

#include <filesystem>
#include <string>

namespace greenlane::detail {

// Says why `path` cannot be read as a plain file; empty where it can. Never throws for a bad path.
[[nodiscard]] std::string why_unreadable(const std::filesystem::path& path);

// The folder for temporary files as PyTorch looks for it: TMPDIR or what stands for it, else /tmp.
[[nodiscard]] std::filesystem::path temporary_folder();

// Says why no temporary files can be made, naming TMPDIR or what stands for it; empty where they can.
[[nodiscard]] std::string why_no_temporary_files();

// Reads a plain file, a pipe or a device to its end.
// Throws: ConfigError, with `what` before the reason and `remedy` behind it. A file over 256 MiB is refused.
[[nodiscard]] std::string read_named_file(const std::filesystem::path& path, const std::string& what,
                                          const std::string& remedy);

}  // namespace greenlane::detail

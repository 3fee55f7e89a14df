// Files that are written whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace greenlane::runtime {

// Takes text piece by piece.
using TextSink = std::function<void(std::string_view piece)>;

// Writes the text to a file. A regular file, new or existing, is written beside under another name and then renamed:
// the whole text or nothing. If a symbolic link leads to a file, that file is replaced. Devices, pipes and open
// descriptors ("/dev/stdout") are written in place.
// Throws: ConfigError if the file cannot be written; an existing file is then unchanged.
void write_file(const std::filesystem::path& path, const std::string& text);

// Writes all text that `give` hands to its sink to a file, in the same way. No more than a buffer of it is in memory.
// Throws: as above, and what `give` throws; a regular file is then unchanged.
void write_file(const std::filesystem::path& path, const std::function<void(const TextSink& sink)>& give);

// Checks now what write_file would check later, so that a long run is not lost. Makes, changes and removes no file.
// Throws: ConfigError.
void check_writable(const std::filesystem::path& path);

}  // namespace greenlane::runtime

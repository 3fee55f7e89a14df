// Files that are written whole or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace greenlane::runtime {

// Takes text piece by piece.
using TextSink = std::function<void(std::string_view piece)>;

// Writes the text to a file. A regular file, new or there already, is written beside under a name of its own and then
// renamed: the whole text or nothing. Where a symbolic link leads to a file, that file is replaced. Devices, pipes and
// open descriptors ("/dev/stdout") are written in place.
// Throws: ConfigError where the file cannot be written; what was there before then stays.
void write_file(const std::filesystem::path& path, const std::string& text);

// Writes to a file all that `give` hands to its sink, in the same way. Keeps no more than a buffer of it in memory.
// Throws: as above, and what `give` throws; then a regular file stays as it was.
void write_file(const std::filesystem::path& path, const std::function<void(const TextSink& sink)>& give);

// Says now what write_file would say later, so that a long run is not lost. Makes, changes and removes no file.
// Throws: ConfigError.
void check_writable(const std::filesystem::path& path);

}  // namespace greenlane::runtime

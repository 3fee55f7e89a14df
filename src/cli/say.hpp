// Prints text for people. A failure to print is reported at the end, so that no results are lost for it.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace greenlane::cli {

// Writes the text. Never throws for a stream that cannot be written, as fmt::print does. In the library of commands it
// calls the program's, which remembers failures: see commands.hpp.
void write_text(std::FILE* stream, const std::string& text);

// Prints to standard output.
template <typename... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write_text(stdout, fmt::format(format, std::forward<Arguments>(arguments)...));
}

// Prints to standard error.
template <typename... Arguments>
void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  write_text(stderr, fmt::format(format, std::forward<Arguments>(arguments)...));
}

// Opens each standard stream that is closed, with a descriptor that cannot be written. Otherwise the next file that is
// opened would become that stream, and receive printed text.
void open_standard_streams();

// Writes the text that standard output still holds. Returns the error number of the first failure since the start, or
// 0.
[[nodiscard]] int finish_standard_output();

}  // namespace greenlane::cli

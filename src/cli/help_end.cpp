#include "cli/help_end.hpp"

#include <fmt/format.h>

namespace greenlane::cli {

std::string help_end(std::string_view failure, std::initializer_list<std::string_view> examples) {
  return fmt::format(
      "Exit status:\n"
      "  0        success\n"
      "  1        {}\n"
      "  2        bad input: the command line, a file, or a device that is not there\n"
      "  128 + N  ended by signal N: 130 after Ctrl-C\n"
      "\nExamples:\n"
      "  {}",
      failure, fmt::join(examples, "\n  "));
}

}  // namespace greenlane::cli

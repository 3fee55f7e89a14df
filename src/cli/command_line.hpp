// The command line.
#pragma once

#include "cli/work.hpp"

#include <greenlane/core/error.hpp>

namespace greenlane::cli {

// Returns the work of the command line. Help and version are printed at once, and nothing is then left to do.
// Throws: ConfigError for a command line that makes no sense.
[[nodiscard]] Work parse_command_line(int argc, const char* const* argv);

}  // namespace greenlane::cli

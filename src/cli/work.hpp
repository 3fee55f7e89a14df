// The work of a command.
#pragma once

#include <functional>

namespace greenlane::cli {

// Set by the parser for the command that was given. Returns an exit status: see exit_status.hpp.
using Work = std::function<int()>;

}  // namespace greenlane::cli

// Loads the commands that need PyTorch.
#pragma once

#include "cli/commands.hpp"

namespace greenlane::cli {

// Loads libgreenlane_commands.so, and PyTorch with it.
// Throws: EngineError.
[[nodiscard]] const Commands& load_commands();

}  // namespace greenlane::cli

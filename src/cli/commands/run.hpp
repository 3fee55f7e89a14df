// The work of `greenlane run`: runs a pipeline and shows how it did.
#pragma once

#include "cli/run_arguments.hpp"

namespace greenlane::cli {

// Returns the exit status.
// Throws: Error.
[[nodiscard]] int run(const RunArguments& arguments);

}  // namespace greenlane::cli

// `greenlane run`: runs a pipeline and shows how it did.
#pragma once

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Its callback does the work and sets `status`: see exit_status.hpp.
void add_run_command(CLI::App& app, int& status);

}  // namespace greenlane::cli

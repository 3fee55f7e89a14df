// `greenlane plan`: chooses lanes that meet the deadlines.
#pragma once

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Its callback does the work and sets `status`: see exit_status.hpp.
void add_plan_command(CLI::App& app, int& status);

}  // namespace greenlane::cli

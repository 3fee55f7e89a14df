// `greenlane audit`: runs a pipeline and shows which kernels ran outside of their partitions.
#pragma once

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Its callback does the work and sets `status`: see exit_status.hpp.
void add_audit_command(CLI::App& app, int& status);

}  // namespace greenlane::cli

// `greenlane audit`: runs a pipeline and shows which kernels ran outside of their partitions.
#pragma once

#include "cli/work.hpp"

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Once it is parsed, `work` is its work.
void add_audit_command(CLI::App& app, Work& work);

}  // namespace greenlane::cli

// `greenlane run`: runs a pipeline and shows how it did.
#pragma once

#include "cli/work.hpp"

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Once it is parsed, `work` is its work.
void add_run_command(CLI::App& app, Work& work);

}  // namespace greenlane::cli

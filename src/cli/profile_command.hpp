// `greenlane profile`: measures every engine alone on every size of partition.
#pragma once

#include "cli/work.hpp"

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Once it is parsed, `work` is its work.
void add_profile_command(CLI::App& app, Work& work);

}  // namespace greenlane::cli

// `greenlane devices`: lists the devices.
#pragma once

#include "cli/work.hpp"

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Adds the subcommand. Once it is parsed, `work` is its work.
void add_devices_command(CLI::App& app, Work& work);

}  // namespace greenlane::cli

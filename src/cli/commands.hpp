// The subcommands of `greenlane`.
#pragma once

#include <CLI/CLI.hpp>

namespace greenlane::cli {

// Exit statuses: what scripts can rely on.
enum ExitStatus : int {
  kSuccess = 0,
  kFailed = 1,    // an engine failed, or its outputs were wrong
  kBadInput = 2,  // command line, configuration, files, a device that is not there
};

// Adds the subcommand; its work is done in a callback, whose exit status goes to `status`.
void add_devices_command(CLI::App& app, int& status);
void add_run_command(CLI::App& app, int& status);

}  // namespace greenlane::cli

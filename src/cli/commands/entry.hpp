// The entry of libgreenlane_commands.so.
#pragma once

#include "cli/commands.hpp"

// Returns the commands. Keeps the services, which the commands use.
// Lifetime: both live as long as the process.
extern "C" const greenlane::cli::Commands* greenlane_commands(const greenlane::cli::Services& services);

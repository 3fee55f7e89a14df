// Says what is wrong with a command line, in greenlane's words instead of CLI11's.
#pragma once

#include <greenlane/core/error.hpp>

#include <CLI/CLI.hpp>

#include <string>

namespace greenlane::cli {

// Throws: ConfigError with the commands, if the name is not that of a command.
void require_command(const CLI::App& app, const std::string& name);

// Returns the error of a command line that CLI11 refused with `error`. Validators write "VALUE: why; remedy".
[[nodiscard]] ConfigError parse_refusal(const CLI::App& app, const CLI::ParseError& error);

}  // namespace greenlane::cli

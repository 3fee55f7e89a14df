// The options of commands that can take lanes and units from a plan.
#pragma once

#include "cli/file_name.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>

namespace greenlane::cli {

// Adds --plan and --plan-of-another-device, which needs it.
inline void add_plan_option(CLI::App& command, std::filesystem::path& plan, bool& any_device) {
  auto* option = command.add_option("--plan", plan, "Take lanes and units from this plan instead of from CONFIG")
                     ->check(FileName());
  command.add_flag("--plan-of-another-device", any_device, "Take a plan that was made for another device, too")
      ->needs(option);
}

}  // namespace greenlane::cli

#include "cli/profile_command.hpp"

#include "cli/between.hpp"
#include "cli/file_name.hpp"
#include "cli/help_end.hpp"
#include "cli/load_commands.hpp"

#include <memory>

namespace greenlane::cli {

void add_profile_command(CLI::App& app, Work& work) {
  auto* command = app.add_subcommand("profile", "Measures every engine alone on every size of partition");
  const auto arguments = std::make_shared<ProfileArguments>();
  command->add_option("CONFIG", arguments->config, "The pipeline's TOML file")->check(FileName())->required();
  command->add_option("--out", arguments->out, "Write the profile to this file")
      ->check(FileName())
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "How long to measure an engine on a size at most")
      ->capture_default_str()
      ->check(Between(0.01, 1e6));
  command->add_flag("--json", arguments->json, "Print the profile as JSON in place of the table");
  command->footer(help_end(
      "an engine failed, it was stopped before an engine was measured, PyTorch is not there, or printing failed",
      {"greenlane profile pipeline.toml --out profile.json", "greenlane profile pipeline.toml --seconds 0.2 --json"}));
  command->callback([arguments, command, &work] {
    // Who asks for the document need not get a file, too.
    if (arguments->json && command->count("--out") == 0) arguments->out.clear();
    work = [arguments] { return load_commands().profile(*arguments); };
  });
}

}  // namespace greenlane::cli

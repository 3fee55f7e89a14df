#include "cli/audit_command.hpp"

#include "cli/between.hpp"
#include "cli/file_name.hpp"
#include "cli/help_end.hpp"
#include "cli/load_commands.hpp"
#include "cli/plan_option.hpp"

#include <memory>

namespace greenlane::cli {

void add_audit_command(CLI::App& app, Work& work) {
  auto* command = app.add_subcommand(
      "audit", "Says of every kernel of a pipeline whose it is, and which ran outside of their lanes (times nothing)");
  const auto arguments = std::make_shared<AuditArguments>();
  command->add_option("CONFIG", arguments->config, "The pipeline's TOML file")->check(FileName())->required();
  add_plan_option(*command, arguments->plan, arguments->any_device);
  command->add_option("--seconds", arguments->seconds, "How long to watch")
      ->capture_default_str()
      ->check(Between(0.01, 1e6));
  command->add_option("--json", arguments->json, "Write what was found to this file")->check(FileName());
  command->add_option("--trace", arguments->trace, "Write a trace that ui.perfetto.dev opens to this file")
      ->check(FileName());
  command->footer(help_end(
      "kernels ran outside of their lanes, records were lost, an engine failed, PyTorch is not there, or printing "
      "failed",
      {"greenlane audit pipeline.toml", "greenlane audit pipeline.toml --json audit.json --trace trace.json"}));
  command->callback([arguments, &work] { work = [arguments] { return load_commands().audit(*arguments); }; });
}

}  // namespace greenlane::cli

#include "cli/plan_command.hpp"

#include "cli/between.hpp"
#include "cli/file_name.hpp"
#include "cli/help_end.hpp"
#include "cli/load_commands.hpp"

#include <memory>

namespace greenlane::cli {

void add_plan_command(CLI::App& app, Work& work) {
  auto* command = app.add_subcommand("plan", "Finds the lanes that meet every deadline, and tries them");
  const auto arguments = std::make_shared<PlanArguments>();
  command->add_option("CONFIG", arguments->config, "The pipeline's TOML file; its lanes do not matter")
      ->check(FileName())
      ->required();
  command
      ->add_option("--profile", arguments->profile,
                   "Take latencies from this profile instead of measuring them; also one of another machine's device")
      ->check(FileName());
  command->add_option("--out", arguments->out, "Write the plan to this file")->check(FileName())->capture_default_str();
  command->add_option("--margin", arguments->margin, "A predicted p99 so much longer must still meet its deadline")
      ->capture_default_str()
      ->check(Between(0.0, 10.0));
  command->add_option("--seconds", arguments->seconds, "How long to run each plan that is tried")
      ->capture_default_str()
      ->check(Between(0.01, 1e6));
  command->add_option("--budget", arguments->budget, "Seconds after which no other plan is tried")
      ->capture_default_str()
      ->check(Between(0.0, 1e6));
  command->add_flag("--no-verify", arguments->only_predict, "Do not run plans: only predict");
  command->add_flag("--json", arguments->json, "Print the plan and what was tried as JSON in place of the tables");
  command->footer(help_end("no plan meets all deadlines, an engine failed, PyTorch is not there, or printing failed",
                           {"greenlane plan pipeline.toml --seconds 0.5 --budget 5 --out plan.json",
                            "greenlane profile pipeline.toml && greenlane plan pipeline.toml --profile profile.json "
                            "--no-verify"}));
  command->callback([arguments, command, &work] {
    // Who asks for the document need not get a file, too.
    if (arguments->json && command->count("--out") == 0) arguments->out.clear();
    work = [arguments] { return load_commands().plan(*arguments); };
  });
}

}  // namespace greenlane::cli

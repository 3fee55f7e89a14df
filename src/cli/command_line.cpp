#include "cli/command_line.hpp"

#include "cli/audit_command.hpp"
#include "cli/devices_command.hpp"
#include "cli/exit_status.hpp"
#include "cli/help_end.hpp"
#include "cli/parse_refusal.hpp"
#include "cli/plan_command.hpp"
#include "cli/profile_command.hpp"
#include "cli/run_command.hpp"
#include "cli/say.hpp"

#include <greenlane/version.hpp>

#include <CLI/CLI.hpp>

#include <string>

namespace greenlane::cli {

Work parse_command_line(int argc, const char* const* argv) {
  CLI::App app{"Gives every inference engine in a process its own lane of the GPU.", "greenlane"};
  app.set_version_flag("-V,--version", std::string("greenlane ") + kVersion);
  app.require_subcommand(1);
  app.footer(help_end("the command failed: `greenlane COMMAND --help` says how",
                      {"greenlane devices", "greenlane run pipeline.toml --seconds 2 --check"}));
  Work work;
  add_devices_command(app, work);
  add_run_command(app, work);
  add_profile_command(app, work);
  add_plan_command(app, work);
  add_audit_command(app, work);
  // CLI11 would only say that a command is missing.
  if (argc > 1 && argv[1][0] != '-') require_command(app, argv[1]);
  try {
    app.parse(argc, argv);
    return work;
  } catch (const CLI::Success& wanted) {
    (void)app.exit(wanted);
    return [] { return kSuccess; };
  } catch (const CLI::ParseError& error) {
    throw parse_refusal(app, error);
  }
}

}  // namespace greenlane::cli

#include "cli/audit_command.hpp"
#include "cli/devices_command.hpp"
#include "cli/exit_status.hpp"
#include "cli/plan_command.hpp"
#include "cli/profile_command.hpp"
#include "cli/run_command.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace greenlane::cli {
namespace {

bool has_command(const CLI::App& app, std::string_view name) {
  return std::ranges::any_of(app.get_subcommands({}), [&](const auto* command) { return command->get_name() == name; });
}

// Returns the names of the commands: "devices, run or plan".
std::string command_names(const CLI::App& app) {
  const auto commands = app.get_subcommands({});
  std::string names;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (i > 0) names += i + 1 < commands.size() ? ", " : " or ";
    names += commands[i]->get_name();
  }
  return names;
}

int run_program(int argc, char** argv) {
  CLI::App app{"Gives every inference engine in a process its own lane of the GPU.", "greenlane"};
  app.set_version_flag("--version", std::string("greenlane ") + kVersion);
  app.require_subcommand(1);
  int status = kSuccess;
  add_devices_command(app, status);
  add_run_command(app, status);
  add_profile_command(app, status);
  add_plan_command(app, status);
  add_audit_command(app, status);
  // CLI11 would only say that a command is missing.
  if (argc > 1 && argv[1][0] != '-' && !has_command(app, argv[1])) {
    warn("greenlane: there is no command '{}'; use {}\n", text::terminal_text(argv[1]), command_names(app));
    return kBadInput;
  }
  try {
    app.parse(argc, argv);
    return status;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kBadInput;
  } catch (const DriverError& error) {
    warn("greenlane: {}\n", text::terminal_text(error.what()));
    return kFailed;
  } catch (const EngineError& error) {
    warn("greenlane: {}\n", text::terminal_text(error.what()));
    return kFailed;
  } catch (const Error& error) {
    warn("greenlane: {}\n", text::terminal_text(error.what()));
    return kBadInput;
  } catch (const std::filesystem::filesystem_error& error) {
    warn("greenlane: '{}' cannot be used: {}; name another path\n", text::terminal_text(error.path1().string()),
         error.code().message());
    return kBadInput;
  } catch (const std::exception& error) {
    warn("greenlane: internal error: {}; report it with the command line\n", text::terminal_text(error.what()));
    return kFailed;
  }
}

}  // namespace
}  // namespace greenlane::cli

int main(int argc, char** argv) {
  using namespace greenlane::cli;
  open_standard_streams();
  // A reader that went away and a limit of file sizes are write errors, not the end: results can go elsewhere.
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  int status = run_program(argc, argv);
  if (const int error = finish_standard_output(); error != 0) {
    warn("greenlane: standard output cannot be written: {}; direct it to a file or a pipe that can be\n",
         error == EBADF ? "it is closed" : std::generic_category().message(error));
    if (status == kSuccess) status = kFailed;
  }
  end_if_stopped();
  return status;
}

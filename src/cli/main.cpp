#include "cli/commands.hpp"
#include "runtime/terminal_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <filesystem>

int main(int argc, char** argv) {
  using namespace greenlane::cli;
  using greenlane::runtime::terminal_text;
  CLI::App app{"Gives every inference engine in a process its own lane of the GPU.", "greenlane"};
  app.set_version_flag("--version", std::string("greenlane ") + greenlane::kVersion);
  app.require_subcommand(1);
  int status = kSuccess;
  add_devices_command(app, status);
  add_run_command(app, status);
  add_profile_command(app, status);
  add_plan_command(app, status);
  add_audit_command(app, status);
  try {
    app.parse(argc, argv);
    return status;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kBadInput;
  } catch (const greenlane::DriverError& error) {
    fmt::print(stderr, "greenlane: {}\n", terminal_text(error.what()));
    return kFailed;
  } catch (const greenlane::EngineError& error) {
    fmt::print(stderr, "greenlane: {}\n", terminal_text(error.what()));
    return kFailed;
  } catch (const greenlane::Error& error) {
    fmt::print(stderr, "greenlane: {}\n", terminal_text(error.what()));
    return kBadInput;
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print(stderr, "greenlane: '{}' cannot be used: {}; name another path\n", terminal_text(error.path1().string()),
               error.code().message());
    return kBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "greenlane: this should not have happened: {}\n", terminal_text(error.what()));
    return kFailed;
  }
}

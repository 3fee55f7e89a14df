#include "cli/commands.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/version.hpp>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

int main(int argc, char** argv) {
  using namespace greenlane::cli;
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
    fmt::print(stderr, "greenlane: {}\n", error.what());
    return kFailed;
  } catch (const greenlane::EngineError& error) {
    fmt::print(stderr, "greenlane: {}\n", error.what());
    return kFailed;
  } catch (const greenlane::Error& error) {
    fmt::print(stderr, "greenlane: {}\n", error.what());
    return kBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "greenlane: this should not have happened: {}\n", error.what());
    return kFailed;
  }
}

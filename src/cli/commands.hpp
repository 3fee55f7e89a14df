// The border between the program, which parses and starts at once, and libgreenlane_commands.so, which loads PyTorch.
#pragma once

#include "cli/audit_arguments.hpp"
#include "cli/plan_arguments.hpp"
#include "cli/profile_arguments.hpp"
#include "cli/run_arguments.hpp"

#include <atomic>
#include <cstdio>
#include <string>

namespace greenlane::cli {

// The commands of the library. Each does its work and returns an exit status: see exit_status.hpp.
// Throws: Error.
struct Commands {
  const char* version;  // of the library: kVersion
  int (*run)(const RunArguments&);
  int (*profile)(const ProfileArguments&);
  int (*plan)(const PlanArguments&);
  int (*audit)(const AuditArguments&);
};

// The functions that the program lends to the library, because the program keeps their state.
struct Services {
  void (*write_text)(std::FILE*, const std::string&);  // see say.hpp
  const std::atomic<bool>& (*stop_signal)();           // see stop_signal.hpp
};

// The library's one entry. The program loads the library when it runs a command: see load_commands.hpp.
inline constexpr const char* kCommandsEntry = "greenlane_commands";
using CommandsEntry = const Commands*(const Services&);

}  // namespace greenlane::cli

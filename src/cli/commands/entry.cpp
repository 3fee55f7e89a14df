#include "cli/commands/entry.hpp"

#include "cli/commands.hpp"
#include "cli/commands/audit.hpp"
#include "cli/commands/plan.hpp"
#include "cli/commands/profile.hpp"
#include "cli/commands/run.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"

#include <greenlane/version.hpp>

namespace greenlane::cli {
namespace {

const Services* lent = nullptr;

}  // namespace

// The library's side of what the program lends.
void write_text(std::FILE* stream, const std::string& text) { lent->write_text(stream, text); }
const std::atomic<bool>& stop_signal() { return lent->stop_signal(); }

}  // namespace greenlane::cli

const greenlane::cli::Commands* greenlane_commands(const greenlane::cli::Services& services) {
  using namespace greenlane::cli;
  lent = &services;
  static constexpr Commands commands{
      .version = greenlane::kVersion, .run = &run, .profile = &profile, .plan = &plan, .audit = &audit};
  return &commands;
}

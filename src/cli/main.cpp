#include "cli/command_line.hpp"
#include "cli/exit_status.hpp"
#include "cli/say.hpp"
#include "cli/stop_signal.hpp"
#include "text/terminal_text.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

namespace greenlane::cli {
namespace {

// Writes the libraries' warnings in the form of the program's own messages.
void write_warnings_as_messages() {
  (void)set_warning_sink([](const std::string& text) { warn("greenlane: warning: {}\n", text::terminal_text(text)); });
}

int refused(const std::exception& error, ExitStatus status) {
  warn("greenlane: {}\n", text::terminal_text(error.what()));
  return status;
}

int run_program(int argc, char** argv) {
  try {
    return parse_command_line(argc, argv)();
  } catch (const DriverError& error) {
    return refused(error, kFailed);
  } catch (const EngineError& error) {
    return refused(error, kFailed);
  } catch (const Error& error) {
    return refused(error, kBadInput);
  } catch (const std::filesystem::filesystem_error& error) {
    warn("greenlane: '{}' cannot be used: {}; name another path\n", text::terminal_text(error.path1().string()),
         error.code().message());
    return kBadInput;
  } catch (const std::bad_alloc&) {
    warn("greenlane: memory ran out: free some, or raise the limit that `ulimit -v` shows\n");
    return kFailed;
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
  write_warnings_as_messages();
  int status = run_program(argc, argv);
  if (const int error = finish_standard_output(); error != 0) {
    warn("greenlane: standard output cannot be written: {}; direct it to a file or a pipe that can be\n",
         error == EBADF ? "it is closed" : std::generic_category().message(error));
    if (status == kSuccess) status = kFailed;
  }
  end_if_stopped();
  return status;
}

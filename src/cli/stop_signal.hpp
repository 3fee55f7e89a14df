// Ctrl-C, `kill` and a closed terminal, as a flag that the run polls.
#pragma once

#include <atomic>

namespace greenlane::cli {

// Set by the first SIGINT, SIGTERM or SIGHUP from the first call on; a second one of its kind ends the process at once.
// Under nohup SIGHUP stays ignored.
[[nodiscard]] const std::atomic<bool>& stop_signal();

// Ends the process by the signal that set the flag; returns where there was none. A shell sees status 128 + signal, and
// ends its loop after Ctrl-C, which it would not do after a plain exit.
void end_if_stopped();

}  // namespace greenlane::cli

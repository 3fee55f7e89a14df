// Turns Ctrl-C, `kill` and a closed terminal into a flag that the run polls.
#pragma once

#include <atomic>

namespace greenlane::cli {

// Returns the flag. From the first call on, the first SIGINT, SIGTERM or SIGHUP sets it; a second one of its kind ends
// the process at once. SIGHUP stays ignored under nohup.
[[nodiscard]] const std::atomic<bool>& stop_signal();

// Ends the process by the signal that set the flag; returns if the flag is not set. A shell sees status 128 + signal,
// and ends its loop after Ctrl-C, which it would not do after a plain exit.
void end_if_stopped();

}  // namespace greenlane::cli

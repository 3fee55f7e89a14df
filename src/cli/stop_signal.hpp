// Ctrl-C and `kill`, as a flag that the run polls.
#pragma once

#include <atomic>

namespace greenlane::cli {

// Set by the first SIGINT or SIGTERM from the first call on; a second one ends the process at once.
[[nodiscard]] const std::atomic<bool>& stop_signal();

}  // namespace greenlane::cli

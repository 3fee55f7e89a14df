// The statuses that the program ends with.
#pragma once

namespace greenlane::cli {

// Exit statuses: what scripts can rely on. A command that was stopped ends by the signal: see end_if_stopped().
enum ExitStatus : int {
  kSuccess = 0,
  kFailed = 1,    // an engine failed, its outputs were wrong, its work left its lane, or nothing could be printed
  kBadInput = 2,  // command line, configuration, files, a device that is not there
};

}  // namespace greenlane::cli

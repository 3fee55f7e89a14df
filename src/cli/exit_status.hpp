// The exit statuses of the program.
#pragma once

namespace greenlane::cli {

// The exit statuses on which scripts can rely. A stopped command ends by its signal instead: see end_if_stopped().
enum ExitStatus : int {
  kSuccess = 0,
  kFailed = 1,    // an engine failed, its outputs were wrong, its work left its lane, or nothing could be printed
  kBadInput = 2,  // command line, configuration, files, a device that is not there
};

}  // namespace greenlane::cli

// The exit statuses of the program.
#pragma once

namespace greenlane::cli {

// The exit statuses on which scripts can rely. A stopped command ends by its signal instead: see end_if_stopped().
enum ExitStatus : int {
  kSuccess = 0,
  // an engine failed, its outputs were wrong, its work left its lane, PyTorch is not there, or nothing could be printed
  kFailed = 1,
  kBadInput = 2,  // command line, configuration, files, a device that is not there
};

}  // namespace greenlane::cli

// Warnings, for facts that no call can return; and details for fault finding.
#pragma once

#include <functional>
#include <string>

namespace greenlane {

/// Writes a warning to stderr, or to the sink of set_warning_sink().
/// Thread safety: any thread may call warn() and set_warning_sink(). A sink must not call them.
void warn(const std::string& text);

/// Writes details, such as PyTorch's C++ stack of an error, to stderr if the environment variable GREENLANE_LOG is
/// "debug"; else does nothing.
/// Thread safety: any thread.
void debug(const std::string& text);

/// Replaces the sink of warnings; an empty function restores the default. Returns the former sink.
std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write);

}  // namespace greenlane

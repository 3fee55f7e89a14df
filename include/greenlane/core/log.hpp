// Warnings, which a user should know of and no call can return; and details for who looks for a fault.
#pragma once

#include <functional>
#include <string>

namespace greenlane {

// Writes to stderr, unless set_warning_sink() named another place.
// Thread safety: both functions. `write` must not call them.
void warn(const std::string& text);

// Writes details, such as PyTorch's C++ stack behind an error, to stderr where the environment variable GREENLANE_LOG
// is "debug", and nowhere else. Thread safety: any thread.
void debug(const std::string& text);

// An empty function restores the default. Returns the sink that was in force.
std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write);

}  // namespace greenlane

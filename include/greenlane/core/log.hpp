// Warnings: what a user should know and no call can return.
#pragma once

#include <functional>
#include <string>

namespace greenlane {

// Writes to stderr, unless set_warning_sink() named another place.
// Thread safety: both functions. `write` must not call them.
void warn(const std::string& text);

// An empty function restores the default. Returns the sink that was in force.
std::function<void(const std::string&)> set_warning_sink(std::function<void(const std::string&)> write);

}  // namespace greenlane

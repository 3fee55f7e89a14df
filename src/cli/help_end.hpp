// The last lines of a help.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace greenlane::cli {

// Returns the exit statuses and the examples. `failure` is the meaning of status 1.
[[nodiscard]] std::string help_end(std::string_view failure, std::initializer_list<std::string_view> examples);

}  // namespace greenlane::cli

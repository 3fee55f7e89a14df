// Names in messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace greenlane::cli {

// Returns "devices, run or plan".
[[nodiscard]] std::string name_list(std::span<const std::string> names);

// Returns "did you mean 'run'? " with the known name that is near to the written one, or nothing.
[[nodiscard]] std::string guess(std::string_view written, std::span<const std::string> known);

}  // namespace greenlane::cli

// The first line of a text.
#pragma once

#include <string>
#include <string_view>

namespace greenlane::text {

// Returns the text up to its first line break. Messages of PyTorch continue with a C++ stack.
[[nodiscard]] inline std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace greenlane::text

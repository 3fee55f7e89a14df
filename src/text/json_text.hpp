// JSON as text, whatever bytes its strings contain.
#pragma once

#include <string>

namespace greenlane::text {

// Writes bytes that are not UTF-8 as U+FFFD. Paths and messages of libraries may contain such bytes, and results must
// not be lost for that.
template <typename Json>
[[nodiscard]] std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace greenlane::text

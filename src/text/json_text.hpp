// JSON as text, whatever bytes are in its strings.
#pragma once

#include <string>

namespace greenlane::text {

// Writes bytes that are not UTF-8 as U+FFFD: paths and messages of libraries may hold them, and results must not be
// lost for that.
template <typename Json>
[[nodiscard]] std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace greenlane::text

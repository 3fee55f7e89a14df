#include "cli/name_list.hpp"

#include "text/nearest_name.hpp"

#include <fmt/format.h>

namespace greenlane::cli {

std::string name_list(std::span<const std::string> names) {
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) list += i + 1 < names.size() ? ", " : " or ";
    list += names[i];
  }
  return list;
}

std::string guess(std::string_view written, std::span<const std::string> known) {
  const auto nearest = text::nearest_name(written, known);
  return nearest ? fmt::format("did you mean '{}'? ", *nearest) : std::string();
}

}  // namespace greenlane::cli

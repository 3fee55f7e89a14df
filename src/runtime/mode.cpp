#include <greenlane/detail/runtime/mode.hpp>

#include <algorithm>

namespace greenlane::runtime {

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::lanes:
      return "lanes";
    case Mode::gates:
      return "gates";
    case Mode::shared:
      return "shared";
    case Mode::priority:
      return "priority";
  }
  return "?";
}

std::optional<Mode> mode_named(std::string_view name) {
  const auto* found = std::ranges::find_if(kAllModes, [&](Mode mode) { return to_string(mode) == name; });
  return found == kAllModes.end() ? std::nullopt : std::optional(*found);
}

}  // namespace greenlane::runtime

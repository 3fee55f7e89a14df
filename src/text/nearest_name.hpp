// Names that were probably meant, for "did you mean".
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace greenlane::text {

// Returns the number of edits between two texts: insertions, deletions, changes, and swaps of two neighbours. No part
// is edited twice (the optimal string alignment distance). Units: bytes.
[[nodiscard]] std::size_t edit_distance(std::string_view one, std::string_view other);

// Returns the known name that `written` was probably meant to be: the name that it begins or that begins it, or else
// the one with the fewest edits. Returns nothing if the nearest name is more than two edits away, or differs in half of
// its length or more. Of equally near names, the first counts.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view written, std::span<const std::string> known);

}  // namespace greenlane::text

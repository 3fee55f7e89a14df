// Makes kernel names readable.
#pragma once

#include <cstddef>
#include <string>

namespace greenlane::text {

// Returns the name as it is in the source, where the compiler mangled it; otherwise the same name.
[[nodiscard]] std::string demangled(const std::string& name);
// Returns the name for a table: without arguments, at most `most` letters, cut in the middle.
[[nodiscard]] std::string shortened(const std::string& name, std::size_t most);

}  // namespace greenlane::text

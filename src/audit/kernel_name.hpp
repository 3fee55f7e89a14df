// Names of kernels for people.
#pragma once

#include <cstddef>
#include <string>

namespace greenlane::audit {

// As the source has it, where the compiler mangled it.
[[nodiscard]] std::string demangled(const std::string& name);
// For a table: without arguments, and no longer than this, cut in the middle.
[[nodiscard]] std::string shortened(const std::string& name, std::size_t most);

}  // namespace greenlane::audit

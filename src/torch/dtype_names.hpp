// Dtypes by their names in Python and in AOTInductor's sources.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

namespace greenlane::detail {

// Returns the dtype of a name such as "float32" or "bool"; absent if the name is not known.
[[nodiscard]] std::optional<at::ScalarType> dtype_of(std::string_view name);
[[nodiscard]] std::string name_of(at::ScalarType dtype);

}  // namespace greenlane::detail

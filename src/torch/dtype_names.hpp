// Dtypes by the names that they have in Python and in AOTInductor's sources.
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

namespace greenlane::detail {

// "float32", "bool"; absent for a name that is not known.
[[nodiscard]] std::optional<at::ScalarType> dtype_of(std::string_view name);
[[nodiscard]] std::string name_of(at::ScalarType dtype);

}  // namespace greenlane::detail

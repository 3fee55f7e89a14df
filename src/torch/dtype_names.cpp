#include "torch/dtype_names.hpp"

#include <array>
#include <utility>

namespace greenlane::detail {
namespace {

using at::ScalarType;

// The names in AOTInductor's `aoti_torch_dtype_<name>()`.
constexpr std::array<std::pair<std::string_view, ScalarType>, 18> kDtypes{{
    {"float32", ScalarType::Float},
    {"float64", ScalarType::Double},
    {"float16", ScalarType::Half},
    {"bfloat16", ScalarType::BFloat16},
    {"float8_e5m2", ScalarType::Float8_e5m2},
    {"float8_e4m3fn", ScalarType::Float8_e4m3fn},
    {"int8", ScalarType::Char},
    {"int16", ScalarType::Short},
    {"int32", ScalarType::Int},
    {"int64", ScalarType::Long},
    {"uint8", ScalarType::Byte},
    {"uint16", ScalarType::UInt16},
    {"uint32", ScalarType::UInt32},
    {"uint64", ScalarType::UInt64},
    {"bool", ScalarType::Bool},
    {"complex32", ScalarType::ComplexHalf},
    {"complex64", ScalarType::ComplexFloat},
    {"complex128", ScalarType::ComplexDouble},
}};

}  // namespace

std::optional<ScalarType> dtype_of(std::string_view name) {
  for (const auto& [known, dtype] : kDtypes) {
    if (known == name) return dtype;
  }
  return std::nullopt;
}

std::string name_of(ScalarType dtype) {
  for (const auto& [name, value] : kDtypes) {
    if (value == dtype) return std::string(name);
  }
  return c10::toString(dtype);
}

}  // namespace greenlane::detail

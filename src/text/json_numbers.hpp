// Numbers in foreign JSON, checked before they are converted.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>

namespace greenlane::text {

// Returns the whole number if it is from `least` to `most`, both inclusive; else nothing. `least` is 0 or more.
template <typename Json>
std::optional<std::int64_t> whole_number(const Json& value, std::int64_t least, std::int64_t most) {
  if (!value.is_number_integer()) return {};
  // Unsigned numbers beyond 63 bits become negative here, and so are below `least`.
  const auto count = value.template get<std::int64_t>();
  if (count < least || count > most) return {};
  return count;
}

// Returns the number if it is from `least` to `most`, both inclusive; else nothing.
template <typename Json>
std::optional<double> number(const Json& value, double least, double most) {
  if (!value.is_number()) return {};
  const auto real = value.template get<double>();
  if (!(real >= least && real <= most)) return {};
  return real;
}

}  // namespace greenlane::text

// Numbers in JSON of others: checked before they are converted.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>

namespace greenlane::text {

// The whole number from `least` to `most`, both inclusive; absent for everything else. `least` is 0 or more.
template <typename Json>
std::optional<std::int64_t> whole_number(const Json& value, std::int64_t least, std::int64_t most) {
  if (!value.is_number_integer()) return {};
  // Of unsigned numbers beyond 63 bits the signed value is negative, and so below `least`.
  const auto count = value.template get<std::int64_t>();
  if (count < least || count > most) return {};
  return count;
}

// The number from `least` to `most`, both inclusive; absent for everything else.
template <typename Json>
std::optional<double> number(const Json& value, double least, double most) {
  if (!value.is_number()) return {};
  const auto real = value.template get<double>();
  if (!(real >= least && real <= most)) return {};
  return real;
}

}  // namespace greenlane::text

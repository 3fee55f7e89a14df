// What the functions do to the tensors that they are given, by their names: PyTorch's shims, which a wrapper calls, and
// ATen's operators, which it calls by name where there is no shim.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace greenlane::detail {

enum class Effect {
  none,          // reads what it is given; what it returns is new
  value,         // is what it was given: a move, a cast, a handle of the same tensor
  view,          // reads; what it returns through pointers may be the memory that it was given
  writes_first,  // writes to its first argument, reads the others
  unknown,       // may write to everything that it is given
};

// Of a function that a wrapper calls. The shims are those of PyTorch 2.11 to 2.14; a name that is not among them is
// unknown.
[[nodiscard]] Effect effect_of_call(std::string_view function);
// Of an operator of ATen: its name with its overload, without namespace. Never `value`.
[[nodiscard]] Effect effect_of_aten(std::string_view name);

// Is a shim by its name, but none of PyTorch's: a custom operator's, or one of a newer PyTorch.
[[nodiscard]] bool is_unknown_shim(std::string_view function);

// By the name of a shim or an operator.
[[nodiscard]] bool draws_random_numbers(std::string_view function);
// Which argument of an attention shim is the probability of dropout: it draws random numbers unless that is zero.
[[nodiscard]] std::optional<std::size_t> dropout_argument(std::string_view function);

}  // namespace greenlane::detail

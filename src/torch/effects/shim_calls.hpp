// The effects of functions on their tensors, by name: PyTorch's shims, which a wrapper calls, and ATen's operators,
// which it calls by name if there is no shim.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace greenlane::detail {

enum class Effect {
  none,          // reads its arguments; its results are new
  value,         // returns its argument: a move, a cast, a handle of the same tensor
  view,          // reads; its results, returned through pointers, may be its arguments' memory
  writes_first,  // writes to its first argument, reads the others
  unknown,       // may write to all of its arguments
};

// Returns the effect of a function that a wrapper calls. Known shims are those of PyTorch 2.11 to 2.15; any other name
// is unknown.
[[nodiscard]] Effect effect_of_call(std::string_view function);
// Returns the effect of an operator of ATen: its name with its overload, without namespace. Never `value`.
[[nodiscard]] Effect effect_of_aten(std::string_view name);

// Returns whether the name is a shim's, but not one of PyTorch's: a custom operator's, or a newer PyTorch's.
[[nodiscard]] bool is_unknown_shim(std::string_view function);

// Returns whether a shim or an operator of this name draws random numbers.
[[nodiscard]] bool draws_random_numbers(std::string_view function);
// Returns the index of an attention shim's argument that is the probability of dropout; the shim draws random numbers
// unless that is zero.
[[nodiscard]] std::optional<std::size_t> dropout_argument(std::string_view function);

}  // namespace greenlane::detail

// Sizes and strides as the C++ printer of PyTorch's compiler writes them: `4L*s77`, `(-1L) + s17`,
// `c10::div_floor_integer(…)`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane::detail {

// An expression over numbered values, compiled once and evaluated on every call.
class SizeExpression {
 public:
  // Gives the number of the value that a name stands for ("s77", "arg0_1_size[0]"); absent: no such value.
  using Resolve = std::function<std::optional<std::size_t>(std::string_view name)>;
  // Exact: the expression solves an equation, so a division that leaves a remainder means that there is no solution.
  enum class Division { as_written, exact };

  // Absent where a part of `text` is not understood, or a name stands for nothing.
  [[nodiscard]] static std::optional<SizeExpression> parse(std::string_view text, const Resolve& resolve);

  // Absent where it has no whole value: overflow, division by zero, a remainder. Allocates nothing.
  [[nodiscard]] std::optional<std::int64_t> evaluate(std::span<const std::int64_t> values,
                                                     Division division = Division::as_written) const;

  // The number that it is, where it depends on no value.
  [[nodiscard]] std::optional<std::int64_t> constant() const;
  // The value that it is, where it is nothing else.
  [[nodiscard]] std::optional<std::size_t> single_value() const;
  // The numbers of the values that it depends on.
  [[nodiscard]] std::vector<std::size_t> values() const;

 private:
  friend class SizeArithmetic;
  friend class SizeParser;
  enum class Kind {
    number,
    value,
    add,
    subtract,
    multiply,
    divide,
    floor_divide,
    remainder,
    modulo,
    largest,
    smallest,
    negate,
    floor,
    ceil,
    truncate,
    absolute
  };
  struct Step {
    Kind kind;
    std::int64_t operand = 0;  // of a number or a value
  };
  std::vector<Step> steps_;  // in postfix order
};

// For messages: without what only C++ needs. "4*s77", "(-1) + s17".
[[nodiscard]] std::string readable(std::string_view expression);

}  // namespace greenlane::detail

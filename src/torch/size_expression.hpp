// Sizes and strides in the form that PyTorch's compiler prints as C++: `4L*s77`, `(-1L) + s17`,
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
  // Returns the number of the value that a name stands for ("s77", "arg0_1_size[0]"); absent if there is no such value.
  using Resolve = std::function<std::optional<std::size_t>(std::string_view name)>;
  // exact: the expression solves an equation, so a division with a remainder means that there is no solution.
  enum class Division { as_written, exact };

  // Compiles an expression. Absent if a part of `text` is not understood, or a name stands for nothing.
  [[nodiscard]] static std::optional<SizeExpression> parse(std::string_view text, const Resolve& resolve);

  // Returns the expression's value; absent if there is no whole one: overflow, division by zero, a remainder. Allocates
  // nothing.
  [[nodiscard]] std::optional<std::int64_t> evaluate(std::span<const std::int64_t> values,
                                                     Division division = Division::as_written) const;

  // Returns the expression's number, if it depends on no value.
  [[nodiscard]] std::optional<std::int64_t> constant() const;
  // Returns the expression's value, if it is that value alone.
  [[nodiscard]] std::optional<std::size_t> single_value() const;
  // Returns the numbers of the values that the expression depends on.
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

// Returns the expression for messages, without the parts that only C++ needs: "4*s77", "(-1) + s17".
[[nodiscard]] std::string readable(std::string_view expression);

}  // namespace greenlane::detail

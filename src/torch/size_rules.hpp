// How the sizes and strides of an engine's inputs depend on each other.
#pragma once

#include "torch/size_expression.hpp"

#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

// The size or the stride of a dimension of an input.
struct Place {
  std::size_t input = 0;
  std::size_t dimension = 0;
  bool is_stride = false;

  bool operator==(const Place&) const = default;
};

class SizeRules {
 public:
  // A name in the wrapper's source, such as "s77": read from a place, or computed from the symbols before it.
  struct Symbol {
    std::string name;
    Place place;
    std::optional<SizeExpression> solution{};
    std::string text{};  // of the solution
  };
  // What a place must be.
  struct Rule {
    Place place;
    SizeExpression expected;
    std::string text;
  };
  // A stride that the source does not state. The compiler derives such a stride from another dimension: its size times
  // its stride.
  struct DerivedStride {
    Place place;
    std::vector<std::size_t> others;  // the dimensions that it may be derived from
  };
  using Values = c10::SmallVector<std::int64_t, 32>;

  struct Violation {
    Place place;
    // Absent: no size of the model fits.
    std::optional<std::int64_t> expected{};
    const Rule* rule = nullptr;      // or
    const Symbol* symbol = nullptr;  // whose solution leaves a remainder, or
    const DerivedStride* derived = nullptr;
  };

  std::vector<Symbol> symbols;
  std::vector<Rule> rules;
  std::vector<DerivedStride> derived_strides;

  // The first thing that does not fit. Inputs have the right numbers of dimensions. Allocates nothing for 32 symbols.
  [[nodiscard]] std::optional<Violation> find_violation(std::span<const at::Tensor> inputs) const;
  [[nodiscard]] Values values(std::span<const at::Tensor> inputs) const;
  // A symbol that is the size of a place and nothing else; null: none.
  [[nodiscard]] const Symbol* symbol_at(const Place& place) const;
};

// Whether the stride of this dimension is never used: it has one element, or the tensor has none.
[[nodiscard]] bool is_stride_unused(const at::Tensor& tensor, std::size_t dimension);

}  // namespace greenlane::detail

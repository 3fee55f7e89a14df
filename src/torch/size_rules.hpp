// The dependencies between the sizes and strides of an engine's inputs.
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

// The size or the stride of an input's dimension.
struct InputExtent {
  std::size_t input = 0;
  std::size_t dimension = 0;
  bool is_stride = false;

  bool operator==(const InputExtent&) const = default;
};

class SizeRules {
 public:
  // A name in the wrapper's source, such as "s77". Its value is read from an extent, or computed from the symbols
  // before it.
  struct Symbol {
    std::string name;
    InputExtent extent;
    std::optional<SizeExpression> solution{};
    std::string text{};  // of the solution
  };
  // The value that an extent must have.
  struct Rule {
    InputExtent extent;
    SizeExpression expected;
    std::string text;
  };
  // A stride that the source does not state. The compiler derives it from another dimension: that dimension's size
  // times its stride.
  struct DerivedStride {
    InputExtent extent;
    std::vector<std::size_t> others;  // the dimensions that it may be derived from
  };
  using Values = c10::SmallVector<std::int64_t, 32>;

  struct Violation {
    InputExtent extent;
    // Absent if no size of the model fits.
    std::optional<std::int64_t> expected{};
    const Rule* rule = nullptr;      // or
    const Symbol* symbol = nullptr;  // whose solution leaves a remainder, or
    const DerivedStride* derived = nullptr;
  };

  std::vector<Symbol> symbols;
  std::vector<Rule> rules;
  std::vector<DerivedStride> derived_strides;

  // Returns the first violation; absent if there is none. Inputs must have the right numbers of dimensions. Allocates
  // nothing for up to 32 symbols.
  [[nodiscard]] std::optional<Violation> find_violation(std::span<const at::Tensor> inputs) const;
  [[nodiscard]] Values values(std::span<const at::Tensor> inputs) const;
  // Returns a symbol that is read from an extent and not computed; null if there is none.
  [[nodiscard]] const Symbol* symbol_at(const InputExtent& extent) const;
};

// Returns whether this dimension's stride is never used: the dimension has at most one element, or the tensor is empty.
[[nodiscard]] bool is_stride_unused(const at::Tensor& tensor, std::size_t dimension);

}  // namespace greenlane::detail

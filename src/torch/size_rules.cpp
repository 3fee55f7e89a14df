#include "torch/size_rules.hpp"

#include <algorithm>

namespace greenlane::detail {
namespace {

std::int64_t actual(std::span<const at::Tensor> inputs, const InputExtent& extent) {
  const auto& tensor = inputs[extent.input];
  return extent.is_stride ? tensor.strides()[extent.dimension] : tensor.sizes()[extent.dimension];
}

bool fits(const at::Tensor& tensor, const SizeRules::DerivedStride& derived) {
  const auto stride = tensor.strides()[derived.extent.dimension];
  return std::ranges::any_of(derived.others, [&](std::size_t other) {
    return tensor.sizes()[other] * tensor.strides()[other] == stride || is_stride_unused(tensor, other);
  });
}

}  // namespace

bool is_stride_unused(const at::Tensor& tensor, std::size_t dimension) {
  return tensor.sizes()[dimension] < 2 || tensor.numel() == 0;
}

SizeRules::Values SizeRules::values(std::span<const at::Tensor> inputs) const {
  Values all;
  for (const auto& symbol : symbols) {
    // A symbol without a value is 0: no size that a model could take fits an extent that depends on it.
    all.push_back(symbol.solution ? symbol.solution->evaluate(all).value_or(0) : actual(inputs, symbol.extent));
  }
  return all;
}

std::optional<SizeRules::Violation> SizeRules::find_violation(std::span<const at::Tensor> inputs) const {
  const auto all = values(inputs);
  for (const auto& rule : rules) {
    const auto& extent = rule.extent;
    if (extent.is_stride && is_stride_unused(inputs[extent.input], extent.dimension)) continue;
    const auto expected = rule.expected.evaluate(all);
    if (expected != actual(inputs, extent)) return Violation{.extent = extent, .expected = expected, .rule = &rule};
  }
  for (const auto& symbol : symbols) {
    if (symbol.solution && !symbol.solution->evaluate(all, SizeExpression::Division::exact)) {
      return Violation{.extent = symbol.extent, .symbol = &symbol};
    }
  }
  for (const auto& derived : derived_strides) {
    const auto& tensor = inputs[derived.extent.input];
    if (is_stride_unused(tensor, derived.extent.dimension) || fits(tensor, derived)) continue;
    return Violation{.extent = derived.extent, .derived = &derived};
  }
  return std::nullopt;
}

const SizeRules::Symbol* SizeRules::symbol_at(const InputExtent& extent) const {
  const auto found =
      std::ranges::find_if(symbols, [&](const Symbol& symbol) { return !symbol.solution && symbol.extent == extent; });
  return found == symbols.end() ? nullptr : &*found;
}

}  // namespace greenlane::detail

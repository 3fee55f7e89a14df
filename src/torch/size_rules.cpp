#include "torch/size_rules.hpp"

#include <algorithm>

namespace greenlane::detail {
namespace {

std::int64_t actual(std::span<const at::Tensor> inputs, const Place& place) {
  const auto& tensor = inputs[place.input];
  return place.is_stride ? tensor.strides()[place.dimension] : tensor.sizes()[place.dimension];
}

bool fits(const at::Tensor& tensor, const SizeRules::DerivedStride& derived) {
  const auto stride = tensor.strides()[derived.place.dimension];
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
    // A symbol without a value is 0: no size that a model could take fits a place that depends on it.
    all.push_back(symbol.solution ? symbol.solution->evaluate(all).value_or(0) : actual(inputs, symbol.place));
  }
  return all;
}

std::optional<SizeRules::Violation> SizeRules::find_violation(std::span<const at::Tensor> inputs) const {
  const auto all = values(inputs);
  for (const auto& rule : rules) {
    const auto& place = rule.place;
    if (place.is_stride && is_stride_unused(inputs[place.input], place.dimension)) continue;
    const auto expected = rule.expected.evaluate(all);
    if (expected != actual(inputs, place)) return Violation{.place = place, .expected = expected, .rule = &rule};
  }
  for (const auto& symbol : symbols) {
    if (symbol.solution && !symbol.solution->evaluate(all, SizeExpression::Division::exact)) {
      return Violation{.place = symbol.place, .symbol = &symbol};
    }
  }
  for (const auto& derived : derived_strides) {
    const auto& tensor = inputs[derived.place.input];
    if (is_stride_unused(tensor, derived.place.dimension) || fits(tensor, derived)) continue;
    return Violation{.place = derived.place, .derived = &derived};
  }
  return std::nullopt;
}

const SizeRules::Symbol* SizeRules::symbol_at(const Place& place) const {
  const auto found =
      std::ranges::find_if(symbols, [&](const Symbol& symbol) { return !symbol.solution && symbol.place == place; });
  return found == symbols.end() ? nullptr : &*found;
}

}  // namespace greenlane::detail

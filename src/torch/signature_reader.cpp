#include "torch/signature_reader.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace greenlane::detail {
namespace {

constexpr auto kOpen = std::numeric_limits<std::int64_t>::max();

struct Range {
  std::int64_t smallest;
  std::int64_t largest;
};

bool is_dynamic(const DimensionSpec& dimension) { return dimension.smallest != dimension.largest; }

bool is_empty(const TensorSpec& spec) {
  return std::ranges::any_of(spec.dimensions, [](const DimensionSpec& each) { return each.largest == 0; });
}

// The highest power that a relation is checked for. If such a power fits two ranges, an affine relation is not the only
// reading.
constexpr int kHighestPower = 3;

// Returns k and c with extent = k*symbol + c, if the two ranges tell them. The compiler gives an input without a symbol
// of its own the range of its expression, and export makes such expressions affine. Absent if a power fits as well.
std::optional<std::pair<std::int64_t, std::int64_t>> affine_fit(const Range& extent, const Range& symbol) {
  constexpr std::int64_t kLimit = 1LL << 31;
  // A damaged package may name sizes below zero. Between these limits no product overflows.
  const bool is_within =
      extent.smallest >= 0 && extent.largest < kLimit && symbol.smallest >= 0 && symbol.largest < kLimit;
  if (!is_within || symbol.largest <= symbol.smallest) return std::nullopt;
  const auto steps = symbol.largest - symbol.smallest;
  const auto rise = extent.largest - extent.smallest;
  if (rise <= 0 || rise % steps != 0) return std::nullopt;
  const auto slope = rise / steps;
  if (slope != 1 || extent.smallest != symbol.smallest) {
    const auto power_of = [](std::int64_t base, int power) {
      double value = 1;
      for (int i = 0; i < power; ++i) value *= static_cast<double>(base);
      return value;
    };
    for (int power = 2; power <= kHighestPower; ++power) {
      const auto low = power_of(symbol.smallest, power);
      const auto high = power_of(symbol.largest, power);
      if (static_cast<double>(extent.smallest) * high == static_cast<double>(extent.largest) * low) return std::nullopt;
    }
  }
  return std::pair{slope, extent.smallest - slope * symbol.smallest};
}

class RuleMaker {
 public:
  explicit RuleMaker(const WrapperSource& source) : source_(source) {
    for (const auto& [name, text] : source.symbols) add_symbol(name, text);
    for_each_dimension([this](std::size_t i, std::size_t d) { bind_free_symbol(i, d); });
    for (const auto& [input, dtype] : source.unknown_dtypes) note(input, "its dtype " + dtype + " is not known");
    for_each_dimension([this](std::size_t i, std::size_t d) { add_size(i, d); });
    for (std::size_t i = 0; i < source.inputs.size(); ++i) add_strides(i);
    for_each_dimension([this](std::size_t i, std::size_t d) { find_unused_size(i, d); });
  }

  SignatureRules result() { return std::move(result_); }

 private:
  template <class Function>
  void for_each_dimension(Function function) {
    for (std::size_t i = 0; i < source_.inputs.size(); ++i) {
      for (std::size_t d = 0; d < source_.inputs[i].dimensions.size(); ++d) function(i, d);
    }
  }

  void note(std::size_t input, const std::string& what) {
    result_.unchecked.push_back("input " + std::to_string(input) + ": " + what);
  }

  // Returns the extent of a name such as "arg0_1_size[0]" or "arg0_1_stride[0]".
  [[nodiscard]] std::optional<InputExtent> extent_of(std::string_view name) const {
    const auto open = name.find('[');
    if (open == std::string_view::npos || !name.ends_with(']')) return std::nullopt;
    std::size_t dimension = 0;
    const auto index = name.substr(open + 1, name.size() - open - 2);
    if (std::from_chars(index.data(), index.data() + index.size(), dimension).ptr != index.data() + index.size()) {
      return std::nullopt;
    }
    for (std::size_t i = 0; i < source_.inputs.size(); ++i) {
      const auto& input = source_.inputs[i];
      if (input.name.empty() || dimension >= input.dimensions.size()) continue;
      for (const bool is_stride : {false, true}) {
        if (name.substr(0, open) == input.name + (is_stride ? "_stride" : "_size"))
          return InputExtent{i, dimension, is_stride};
      }
    }
    return std::nullopt;
  }

  std::optional<std::size_t> find_symbol(std::string_view name) {
    auto& symbols = result_.rules.symbols;
    const auto found = std::ranges::find(symbols, name, &SizeRules::Symbol::name);
    if (found != symbols.end()) return static_cast<std::size_t>(found - symbols.begin());
    const auto extent = extent_of(name);
    if (!extent) return std::nullopt;
    symbols.push_back({.name = std::string(name), .extent = *extent});
    return symbols.size() - 1;
  }

  std::optional<SizeExpression> parse(std::string_view text) {
    return SizeExpression::parse(text, [this](std::string_view name) { return find_symbol(name); });
  }

  void add_symbol(const std::string& name, const std::string& text) {
    if (const auto extent = extent_of(text)) {
      result_.rules.symbols.push_back({.name = name, .extent = *extent});
    } else if (auto solution = parse(text)) {
      const auto values = solution->values();
      if (values.empty()) return;
      const auto from = result_.rules.symbols[values.front()].extent;
      result_.rules.symbols.push_back({.name = name, .extent = from, .solution = std::move(solution), .text = text});
    }
  }

  // Adds a symbol that is a size by itself, if the source does not say which size it is read from.
  void bind_free_symbol(std::size_t input, std::size_t dimension) {
    const auto& rule = source_.inputs[input].dimensions[dimension].size_rule;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (rule.empty() || !std::ranges::all_of(rule, is_letter) || find_symbol(rule)) return;
    result_.rules.symbols.push_back({.name = rule, .extent = {input, dimension}});
  }

  bool add_rule(const InputExtent& extent, const std::string& text) {
    auto expected = parse(text);
    if (!expected) return false;
    if (const auto value = expected->single_value()) {
      const auto& symbol = result_.rules.symbols[*value];
      if (!symbol.solution && symbol.extent == extent) return true;  // the symbol is read from this extent
    }
    result_.rules.rules.push_back({.extent = extent, .expected = std::move(*expected), .text = text});
    return true;
  }

  [[nodiscard]] bool is_read_from(const InputExtent& extent) const {
    return std::ranges::any_of(result_.rules.symbols,
                               [&](const SizeRules::Symbol& symbol) { return symbol.extent == extent; });
  }

  // Returns whether a kernel reads the input. An input that is not read may have any shape, and strides of an empty
  // tensor are never used.
  [[nodiscard]] bool is_read(std::size_t input) const {
    const auto& spec = source_.inputs[input];
    return source_.is_asserted[input] || (!is_empty(spec) && source_.uses(spec.name));
  }

  void add_size(std::size_t input, std::size_t dimension) {
    const auto& spec = source_.inputs[input].dimensions[dimension];
    const InputExtent extent{input, dimension};
    if (!spec.size_rule.empty()) {
      if (!add_rule(extent, spec.size_rule)) {
        note(input, "the size of its dimension " + std::to_string(dimension) + " (" + readable(spec.size_rule) + ")");
      }
    } else if (is_dynamic(spec) && !source_.symbols.empty() && !source_.is_asserted[input] && !is_read_from(extent) &&
               is_read(input)) {
      infer_size(extent, {spec.smallest, spec.largest});
    }
  }

  // Infers a size from ranges. PyTorch before 2.14 does not write the size of an input that depends on other inputs'
  // symbols.
  void infer_size(const InputExtent& extent, const Range& range) {
    std::vector<std::string> fits;
    for (const auto& symbol : result_.rules.symbols) {
      if (!is_independent(symbol)) continue;
      const auto symbol_range = range_of(symbol);
      const auto fit = symbol_range ? affine_fit(range, *symbol_range) : std::nullopt;
      if (!fit) continue;
      const auto [slope, constant] = *fit;
      auto text = std::to_string(constant) + "L + " + std::to_string(slope) + "L*";
      text += symbol.name;
      fits.push_back(std::move(text));
    }
    if (fits.size() == 1 && add_rule(extent, fits.front())) return;
    note(extent.input,
         "how the size of its dimension " + std::to_string(extent.dimension) + " depends on the other inputs' sizes");
  }

  // Returns whether a size symbol is neither an intermediate result nor another name of a symbol.
  [[nodiscard]] static bool is_independent(const SizeRules::Symbol& symbol) {
    const bool is_step = symbol.name.find("_size") != std::string::npos;
    return !symbol.extent.is_stride && !is_step && !(symbol.solution && symbol.solution->single_value());
  }

  [[nodiscard]] std::optional<Range> range_of(const SizeRules::Symbol& symbol) const {
    const auto& spec = source_.inputs[symbol.extent.input].dimensions[symbol.extent.dimension];
    if (!symbol.solution) return Range{spec.smallest, spec.largest};
    // The solution of one equation depends on one extent, and rises with it.
    if (spec.largest == kOpen) return std::nullopt;
    const auto& solution = *symbol.solution;
    const auto at = [&](std::int64_t size) {
      SizeRules::Values values;
      for (const auto& each : result_.rules.symbols) {
        if (&each == &symbol) break;
        if (each.solution) {
          values.push_back(each.solution->evaluate(values).value_or(0));
        } else {
          values.push_back(each.extent == symbol.extent ? size : 0);
        }
      }
      return solution.evaluate(values);
    };
    const auto smallest = at(spec.smallest);
    const auto largest = at(spec.largest);
    if (!smallest || !largest) return std::nullopt;
    return Range{*smallest, *largest};
  }

  void add_strides(std::size_t input) {
    const auto& spec = source_.inputs[input];
    std::vector<std::size_t> open;
    for (std::size_t d = 0; d < spec.dimensions.size(); ++d) {
      const auto& each = spec.dimensions[d];
      const InputExtent extent{input, d, true};
      if (!each.stride_rule.empty()) {
        if (!add_rule(extent, each.stride_rule)) {
          note(input, "the stride of its dimension " + std::to_string(d) + " (" + readable(each.stride_rule) + ")");
        }
      } else if (!each.stride && !is_read_from(extent)) {
        open.push_back(d);
      }
    }
    if (open.empty() || source_.symbols.empty() || source_.is_asserted[input] || !is_read(input)) return;
    derive_strides(input, open);
  }

  void derive_strides(std::size_t input, const std::vector<std::size_t>& open) {
    const auto& dimensions = source_.inputs[input].dimensions;
    bool is_certain = open.size() == 1;
    for (const auto d : open) {
      SizeRules::DerivedStride derived{.extent = {input, d, true}, .others = {}};
      for (std::size_t other = 0; other < dimensions.size(); ++other) {
        // A constant size and a constant stride would give a constant.
        const auto& each = dimensions[other];
        if (other != d && (is_dynamic(each) || !each.stride)) derived.others.push_back(other);
      }
      is_certain = is_certain && derived.others.size() == 1;
      result_.rules.derived_strides.push_back(std::move(derived));
    }
    if (!is_certain) note(input, "the order in which its dimensions lie in memory");
  }

  // Notes an open size that is told to no kernel, of an input that kernels read. If the model ties it to another size
  // in a way that has no symbol (such as n // 2), the source does not show it.
  void find_unused_size(std::size_t input, std::size_t dimension) {
    const InputExtent extent{input, dimension};
    const auto& symbols = result_.rules.symbols;
    if (source_.body.empty() || !is_dynamic(source_.inputs[input].dimensions[dimension]) || !is_read(input)) return;
    if (!is_read_from(extent) || source_.is_for_operators(source_.inputs[input].name)) return;
    std::vector<bool> depends(symbols.size());
    for (std::size_t s = 0; s < symbols.size(); ++s) {
      if (const auto& solution = symbols[s].solution) {
        for (const auto value : solution->values()) depends[s] = depends[s] || depends[value];
      } else {
        depends[s] = symbols[s].extent == extent;
      }
      if (depends[s] && source_.uses(symbols[s].name)) return;
    }
    const auto depends_on_it = [&](const SizeRules::Rule& rule) {
      return rule.extent.input != input &&
             std::ranges::any_of(rule.expected.values(), [&](std::size_t value) { return depends[value]; });
    };
    if (std::ranges::any_of(result_.rules.rules, depends_on_it)) return;
    note(input, "what the size of its dimension " + std::to_string(dimension) +
                    " must agree with (no kernel is told this size)");
  }

  const WrapperSource& source_;
  SignatureRules result_;
};

}  // namespace

SignatureRules make_rules(const WrapperSource& source) { return RuleMaker(source).result(); }

}  // namespace greenlane::detail

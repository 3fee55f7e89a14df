// The source of AOTInductor's wrappers, as packages hold it.
#include "fuzz/target.hpp"
#include "torch/package_effects.hpp"
#include "torch/size_expression.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/torch/signature.hpp>

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace greenlane::fuzz {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

// Returns a tensor whose sizes are the smallest that the specification allows, at most `most`, plus `more`.
at::Tensor fitting(const TensorSpec& spec, std::int64_t most, std::int64_t more) {
  std::vector<std::int64_t> sizes;
  for (const auto& dimension : spec.dimensions) {
    if (sizes.size() < 6) sizes.push_back(std::clamp<std::int64_t>(dimension.smallest, 0, most) + more);
  }
  return at::zeros(sizes, at::TensorOptions().dtype(spec.dtype.value_or(at::kFloat)));
}

}  // namespace

void read_signature(std::string_view input) {
  const auto signature = Signature::from_wrapper_source(input);
  for (const auto& each : signature.unchecked()) require(!each.empty(), "each unchecked input has a description");
  for (const std::int64_t more : {0, 1}) {
    std::vector<at::Tensor> inputs;
    for (const auto& spec : signature.inputs()) {
      (void)to_string(spec);
      if (inputs.size() < 16) inputs.push_back(fitting(spec, 3, more));
    }
    try {
      signature.check(inputs, {DeviceKind::cpu, 0}, "engine");
    } catch (const Error& error) {
      require_message(error.what());
    }
  }
}

void read_size_expression(std::string_view input) {
  const auto resolve = [](std::string_view name) -> std::optional<std::size_t> {
    if (name.size() < 2 || name.front() != 's') return {};
    return static_cast<std::size_t>(name.back() - '0') % 4;
  };
  (void)detail::readable(input);
  const auto expression = detail::SizeExpression::parse(input, resolve);
  if (!expression) return;
  for (const auto value : expression->values()) require(value < 4, "an expression depends on resolved symbols only");
  const std::array<std::array<std::int64_t, 4>, 6> values{{{0, 0, 0, 0},
                                                           {1, 2, 3, 4},
                                                           {-1, -7, 64, 2},
                                                           {kMost, kMost, kMost, kMost},
                                                           {kLeast, -1, kLeast, -1},
                                                           {kLeast, kMost, 0, 1}}};
  for (const auto& each : values) {
    const auto as_written = expression->evaluate(each);
    const auto exact = expression->evaluate(each, detail::SizeExpression::Division::exact);
    if (exact && as_written) require(*exact == *as_written, "an exact division equals the plain division");
    if (const auto constant = expression->constant(); constant && as_written)
      require(*constant == *as_written, "a constant equals its value");
  }
}

// Reads the number of inputs in the first line, and the nodes of the proxy executor after a line "===".
void read_effects(std::string_view input) {
  std::size_t count = 0;
  (void)std::from_chars(input.data(), input.data() + input.size(), count);
  count %= 32;
  constexpr std::string_view kBetween = "\n===\n";
  const auto end = input.find(kBetween);
  const auto source = input.substr(0, end);
  const auto nodes = end == std::string_view::npos ? std::string_view() : input.substr(end + kBetween.size());
  const auto effects = detail::effects_of_source(source, count, nodes);
  require(!effects.is_known || effects.writes_input.size() == count, "each input is known");
  for (const auto& name : effects.written_constants())
    require(std::ranges::find(effects.constants, name, &detail::PackageConstant::name) != effects.constants.end(),
            "each written constant is a known constant");
}

}  // namespace greenlane::fuzz

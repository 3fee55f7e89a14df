// What the source of an AOTInductor wrapper says of the model's inputs, as it is written there.
#pragma once

#include <greenlane/torch/signature.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenlane::detail {

struct WrapperSource {
  // Of inputs; absent where the source does not say.
  std::optional<std::size_t> count;
  // With ranges, dtypes and constant strides, and the rules as text.
  std::vector<TensorSpec> inputs;
  // Names of dtypes that are not known, by input.
  std::vector<std::pair<std::size_t, std::string>> unknown_dtypes;
  // `int64_t NAME = EXPRESSION;` before the model's own work, in this order.
  std::vector<std::pair<std::string, std::string>> symbols;
  // By input: the source asserts its sizes and strides (PyTorch 2.14 and newer, where a kernel reads the input).
  std::vector<bool> is_asserted;
  // The model's own work, without assertions; empty where it was not found.
  std::string body;

  // Whether the model's work uses a name. True where it was not found.
  [[nodiscard]] bool uses(std::string_view name) const;
  // Whether the model's work hands this tensor to PyTorch's operators alone, which read its sizes by themselves.
  [[nodiscard]] bool is_for_operators(std::string_view tensor) const;
};

[[nodiscard]] WrapperSource read_wrapper_source(std::string_view source);

}  // namespace greenlane::detail

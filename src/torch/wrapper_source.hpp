// An AOTInductor wrapper's statements about the model's inputs, as they are written in its source.
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
  // Number of inputs; absent if the source does not say.
  std::optional<std::size_t> count;
  // Inputs with ranges, dtypes and constant strides, and with rules as text.
  std::vector<TensorSpec> inputs;
  // Names of unknown dtypes, by input.
  std::vector<std::pair<std::size_t, std::string>> unknown_dtypes;
  // Symbols from `int64_t NAME = EXPRESSION;` before the model's own work, in this order.
  std::vector<std::pair<std::string, std::string>> symbols;
  // True for each input whose sizes and strides the source asserts (PyTorch 2.14 and newer, if a kernel reads the
  // input).
  std::vector<bool> is_asserted;
  // The model's own work, without assertions; empty if it was not found.
  std::string body;

  // Returns whether the model's work uses a name; true if the work was not found.
  [[nodiscard]] bool uses(std::string_view name) const;
  // Returns whether the model's work passes this tensor only to PyTorch's operators, which read its sizes by
  // themselves.
  [[nodiscard]] bool is_for_operators(std::string_view tensor) const;
};

[[nodiscard]] WrapperSource read_wrapper_source(std::string_view source);

}  // namespace greenlane::detail

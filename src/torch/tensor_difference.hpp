// Where two tensors differ by more than the accuracy of their dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace greenlane::detail {

// Empty where they do not, else what to say behind the output's name: "differs by up to 1 (element 3: 2 instead of 1)".
// greenlane::difference() says the rule.
[[nodiscard]] std::string difference_of(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace greenlane::detail

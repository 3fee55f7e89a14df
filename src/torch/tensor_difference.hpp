// The difference between two tensors, beyond the accuracy of their dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace greenlane::detail {

// Describes the difference, to follow an output's name in a message: "differs by up to 1 (element 3: 2 instead of 1)".
// Empty if there is none. greenlane::difference() states the rule.
[[nodiscard]] std::string difference_of(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace greenlane::detail

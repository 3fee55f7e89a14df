// The functions of a wrapper that launch Triton kernels.
#pragma once

#include "torch/effects/source_tokens.hpp"

#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

// Whether an argument may be written to, by its index.
using Writes = std::vector<bool>;

// Of each `static void call_NAME(…) {…}` in a source, comments and all. Inductor names what a kernel of its own only
// reads `in_ptr0`; its templates `arg_A`. All that a user's kernel is given may be written to.
[[nodiscard]] std::unordered_map<std::string_view, Writes> triton_wrappers_of(const TokenRange& tokens);

}  // namespace greenlane::detail

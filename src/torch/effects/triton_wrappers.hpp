// The wrapper's functions that launch Triton kernels.
#pragma once

#include "torch/effects/source_tokens.hpp"

#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

// True for each argument that may be written to, by the argument's index.
using Writes = std::vector<bool>;

// Returns the writes of each `static void call_NAME(…) {…}` in a source with its comments. Inductor's own kernels name
// parameters that they only read `in_ptr0`, and its templates `arg_A`. A user's kernel may write to all of its
// arguments.
[[nodiscard]] std::unordered_map<std::string_view, Writes> triton_wrappers_of(const TokenRange& tokens);

}  // namespace greenlane::detail

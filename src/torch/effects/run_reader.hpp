// The function of a wrapper that runs the model: which inputs and constants it writes to.
#pragma once

#include "torch/effects/source_tokens.hpp"
#include "torch/effects/triton_wrappers.hpp"

#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace greenlane::detail {

struct RunSurroundings {
  std::size_t inputs = 0;
  std::size_t constants = 0;
  std::unordered_map<std::string_view, Writes> wrappers;
  // The operators that the proxy executor calls, by number; where it has more, they count as custom ones.
  std::vector<std::string_view> operators;
};

struct RunEffects {
  // Where it is false, the rest says nothing.
  bool is_understood = false;
  // Inputs, then constants.
  std::vector<bool> written;
  bool draws_random_numbers = false;
  bool has_hidden_state = false;
};

// `body` is what stands between the braces of `run_impl`, without comments.
[[nodiscard]] RunEffects read_run(const TokenRange& body, const RunSurroundings& surroundings);

}  // namespace greenlane::detail

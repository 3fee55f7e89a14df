// The wrapper's function that runs the model: the inputs and constants that it writes to.
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
  // The operators that the proxy executor calls, by number. Operators with higher numbers count as custom ones.
  std::vector<std::string_view> operators;
};

struct RunEffects {
  // If it is false, the other members mean nothing.
  bool is_understood = false;
  // Inputs, then constants.
  std::vector<bool> written;
  bool draws_random_numbers = false;
  bool has_hidden_state = false;
};

// Reads the body of `run_impl`: the tokens between its braces, without comments.
[[nodiscard]] RunEffects read_run(const TokenRange& body, const RunSurroundings& surroundings);

}  // namespace greenlane::detail

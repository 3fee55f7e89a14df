// The outputs that an engine should have on its recorded inputs.
#pragma once

#include <greenlane/detail/runtime/config.hpp>

#include <ATen/core/Tensor.h>

#include <vector>

namespace greenlane::runtime {

// Reads the engine's expected outputs; empty if there are none.
// Throws: ConfigError if the file holds no tensors.
[[nodiscard]] std::vector<at::Tensor> expected_outputs(const EngineConfig& engine);

}  // namespace greenlane::runtime

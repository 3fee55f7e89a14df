// The seed of an engine's random numbers.
#pragma once

#include <greenlane/detail/runtime/config.hpp>

#include <cstdint>

namespace greenlane::runtime {

// Returns the seed that the file gives. Without one, it is made of PyTorch's seed and the engine's name, so that engines
// differ from each other and torch.manual_seed repeats all of them.
[[nodiscard]] std::uint64_t seed_of(const EngineConfig& engine);

}  // namespace greenlane::runtime

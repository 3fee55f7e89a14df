// The random numbers of one engine in a pipeline.
#pragma once

#include "torch/graphs/graph_random.hpp"

#include <greenlane/core/device.hpp>

#include <ATen/core/Generator.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace greenlane::detail {

// Returns a seed that is made of PyTorch's seed and an engine's name, so that engines differ from each other and
// torch.manual_seed repeats all of them. Draws no number.
[[nodiscard]] std::uint64_t seed_for(const std::string& engine);

// A generator for replays, if the engine is on a GPU and has a seed.
// Thread safety: all members may be called from any thread.
class EngineRandom {
 public:
  EngineRandom(const Device& device, std::optional<std::uint64_t> seed) : seed_(seed.value_or(0)) {
    if (seed && device.id().kind == DeviceKind::cuda)
      generator_ = new_generator(static_cast<c10::DeviceIndex>(device.id().index), seed_);
  }
  // Returns the generator; undefined: none, so that replays draw from the device's default generator.
  [[nodiscard]] const at::Generator& generator() const noexcept { return generator_; }
  // Begins the numbers anew.
  void reset() {
    if (!generator_.defined()) return;
    const std::scoped_lock lock(generator_.mutex());
    generator_.set_current_seed(seed_);
  }

 private:
  std::uint64_t seed_;
  at::Generator generator_;
};

}  // namespace greenlane::detail

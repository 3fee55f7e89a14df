#include "torch/engine_random.hpp"

#include <ATen/CPUGeneratorImpl.h>

namespace greenlane::detail {

std::uint64_t seed_for(const std::string& engine) {
  auto generator = at::detail::getDefaultCPUGenerator();
  const std::scoped_lock lock(generator.mutex());
  // FNV-1a, which gives the same on every machine.
  std::uint64_t seed = generator.current_seed() ^ 0xcbf29ce484222325;
  for (const char each : engine) seed = (seed ^ static_cast<unsigned char>(each)) * 0x100000001b3;
  return seed;
}

}  // namespace greenlane::detail

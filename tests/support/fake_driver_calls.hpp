// The driver's functions as the fake has them: declared from the table's own list, so none can be forgotten or
// mistyped.
#pragma once

#include "support/fake_driver_state.hpp"

#include <atomic>
#include <type_traits>

namespace greenlane::fake {

#define GREENLANE_FAKE_DECLARE(name, version) extern std::remove_pointer_t<PFN_##name##_v##version> fake_##name;
GREENLANE_DRIVER_REQUIRED(GREENLANE_FAKE_DECLARE)
GREENLANE_DRIVER_OPTIONAL(GREENLANE_FAKE_DECLARE)
#undef GREENLANE_FAKE_DECLARE

inline std::atomic<State*> in_force{nullptr};

enum class Effect { make, release };

// Every function goes through here: it is counted, and fails where the test wants it to.
template <class Body>
CUresult call(const char* function, Body body, Effect effect = Effect::make) {
  State* state = in_force.load(std::memory_order_acquire);
  if (!state) return CUDA_ERROR_DEINITIALIZED;
  const std::scoped_lock lock(state->mutex);
  ++state->calls;
  ++state->calls_by_function[function];
  const bool fails = state->fails_now();
  if (fails && effect == Effect::make) return CUDA_ERROR_UNKNOWN;
  const CUresult result = body(*state);
  return fails ? CUDA_ERROR_UNKNOWN : result;
}

// Null where there is no such device.
[[nodiscard]] inline const Gpu* gpu_of(const State& state, CUdevice device) {
  const bool exists = device >= 0 && device < static_cast<int>(state.config.gpus.size());
  return exists ? &state.config.gpus[static_cast<std::size_t>(device)] : nullptr;
}

}  // namespace greenlane::fake

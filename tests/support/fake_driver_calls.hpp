// The fake's versions of the driver's functions. They are declared from the table's own list, so that none can be
// forgotten or mistyped.
#pragma once

#include "support/fake_driver_state.hpp"

#include <atomic>
#include <string>
#include <type_traits>
#include <vector>

namespace greenlane::fake {

#define GREENLANE_FAKE_DECLARE(name, version) extern std::remove_pointer_t<PFN_##name##_v##version> fake_##name;
GREENLANE_DRIVER_REQUIRED(GREENLANE_FAKE_DECLARE)
GREENLANE_DRIVER_OPTIONAL(GREENLANE_FAKE_DECLARE)
#undef GREENLANE_FAKE_DECLARE

inline std::atomic<State*> in_force{nullptr};

enum class Effect { make, release };

// True while this thread is in the destructor of a user object.
inline thread_local bool in_destructor = false;

// Calls the destructors of the user objects that are due.
inline void call_destructors(State& state) {
  std::vector<UserObject> due;
  {
    const std::scoped_lock lock(state.mutex);
    due.swap(state.destroyed_objects);
  }
  for (const auto& object : due) {
    in_destructor = true;
    object.destroy(object.pointer);
    in_destructor = false;
  }
}

// Counts the call of a driver function, and fails it if the test wants that. Every function goes through here.
template <class Body>
CUresult call(const char* function, Body body, Effect effect = Effect::make) {
  State* state = in_force.load(std::memory_order_acquire);
  if (!state) return CUDA_ERROR_DEINITIALIZED;
  CUresult result = CUDA_ERROR_UNKNOWN;
  {
    const std::scoped_lock lock(state->mutex);
    ++state->calls;
    ++state->calls_by_function[function];
    if (in_destructor)
      return state->violate(std::string(function) + " in the destructor of a user object", CUDA_ERROR_NOT_PERMITTED);
    const bool fails = state->fails_now();
    if (!fails || effect == Effect::release) result = body(*state);
    if (fails) result = CUDA_ERROR_UNKNOWN;
  }
  call_destructors(*state);
  return result;
}

// Returns null if there is no such device.
[[nodiscard]] inline const Gpu* gpu_of(const State& state, CUdevice device) {
  const bool exists = device >= 0 && device < static_cast<int>(state.config.gpus.size());
  return exists ? &state.config.gpus[static_cast<std::size_t>(device)] : nullptr;
}

}  // namespace greenlane::fake

// Things that Python waits for in short steps, between which it handles Ctrl-C. The waits are outside of torchbind: if
// Python ends a waiting thread at the end of the program, only C code is unwound.
#pragma once

#include <torch/custom_class.h>

#include <chrono>
#include <cstdint>

namespace greenlane::bindings {

struct Waitable : torch::CustomClassHolder {
  // Waits until there is nothing to wait for, or for `time` at most. Returns whether there is nothing to wait for.
  [[nodiscard]] virtual bool wait_for(std::chrono::nanoseconds time) const = 0;
};

// Returns the address for greenlane_wait().
[[nodiscard]] inline std::int64_t address_of(const Waitable& waitable) {
  return reinterpret_cast<std::int64_t>(&waitable);
}

}  // namespace greenlane::bindings

// Waits for the Waitable at `address`, at most this many seconds; returns 1 if there is nothing to wait for, else 0.
// Called by ctypes.
extern "C" __attribute__((visibility("default"))) int greenlane_wait(std::int64_t address, double seconds);

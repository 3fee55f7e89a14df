// Waiting without sleeping.
#pragma once

#include <thread>

namespace greenlane::detail {

// Before a spinning thread looks again: short against a slice, and long enough that the cores beside it, and who else
// talks to the driver, are not disturbed. Now and then others may need the core.
class Spin {
 public:
  void pause() {
    constexpr int kInstructions = 16;
    constexpr int kTurns = 64;
    if (++turns_ % kTurns == 0) {
      std::this_thread::yield();
      return;
    }
    for (int i = 0; i < kInstructions; ++i) {
#ifdef __x86_64__
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    }
  }

 private:
  int turns_ = 0;
};

}  // namespace greenlane::detail

// Waiting without sleeping.
#pragma once

#include <thread>

namespace greenlane::detail {

// Tells the processor that this thread spins.
inline void pause() noexcept {
#ifdef __x86_64__
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A spinning thread's pause between two looks. It is short against a slice, and long enough not to disturb neighbouring
// cores and other users of the driver. Now and then it yields the core.
class Spin {
 public:
  void pause() {
    constexpr int kInstructions = 16;
    constexpr int kTurns = 64;
    if (++turns_ % kTurns == 0) {
      std::this_thread::yield();
      return;
    }
    for (int i = 0; i < kInstructions; ++i) detail::pause();
  }

 private:
  int turns_ = 0;
};

}  // namespace greenlane::detail

// Ctrl-C during calls that last minutes: Python's own handler would run only after they return.
#pragma once

#include <greenlane/detail/core/process.hpp>

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>

namespace greenlane::bindings {

// A scope in which SIGINT is only noted. When the last scope ends, a noted SIGINT is raised again, so that Python
// raises KeyboardInterrupt.
// Thread safety: several threads may have one at once.
class Interrupt {
 public:
  Interrupt() {
    const std::scoped_lock lock(mutex_);
    static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
    (void)registered;
    if (holders_++ > 0) return;
    interrupted_ = false;
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted_.store(true, std::memory_order_relaxed); };
    sigaction(SIGINT, &action, &former_);
  }
  ~Interrupt() {
    const std::scoped_lock lock(mutex_);
    if (--holders_ > 0) return;
    sigaction(SIGINT, &former_, nullptr);
    if (interrupted_) (void)std::raise(SIGINT);
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] static const std::atomic<bool>& flag() noexcept { return interrupted_; }

 private:
  // The holders are threads of the parent, which a child does not have; the child handles its own Ctrl-C.
  static void after_fork_in_child() {
    if (holders_ > 0) sigaction(SIGINT, &former_, nullptr);
    holders_ = 0;
  }
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");
  static inline std::atomic<bool> interrupted_{false};
  static inline detail::ForkSafeMutex mutex_;
  static inline int holders_ = 0;
  static inline struct sigaction former_{};
};

// Returns the result of `work`; nothing after Ctrl-C. `work` is given a flag, and must end soon after the flag is set.
template <typename Work>
std::optional<std::invoke_result_t<Work, const std::atomic<bool>*>> interruptible(Work work) {
  const Interrupt interrupt;
  try {
    auto result = work(&Interrupt::flag());
    if (!Interrupt::flag()) return result;
  } catch (const std::exception&) {
    if (!Interrupt::flag()) throw;
  }
  return std::nullopt;
}

}  // namespace greenlane::bindings

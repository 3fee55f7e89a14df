#include "cli/stop_signal.hpp"

#include <csignal>
#include <cstdlib>

namespace greenlane::cli {
namespace {

std::atomic<bool> stopped{false};
std::atomic<int> stopping_signal{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

}  // namespace

const std::atomic<bool>& stop_signal() {
  struct sigaction action{};
  action.sa_handler = [](int signal) {
    stopping_signal.store(signal, std::memory_order_relaxed);
    stopped.store(true, std::memory_order_relaxed);
  };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction former{};
    // A signal that is ignored stays ignored: nohup does so with SIGHUP, and a script's `&` with SIGINT.
    if (sigaction(signal, nullptr, &former) == 0 && former.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  return stopped;
}

void end_if_stopped() {
  if (!stopped.load(std::memory_order_relaxed)) return;
  const int signal = stopping_signal.load(std::memory_order_relaxed);
  (void)std::signal(signal, SIG_DFL);
  (void)std::raise(signal);
  // The first process of a container gets here, because the signal does not end it.
  std::_Exit(128 + signal);
}

}  // namespace greenlane::cli

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/process.hpp>

#include <pthread.h>

namespace greenlane::detail {
namespace {

std::atomic<std::uint64_t> generation{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a child of fork() may take no locks yet");

thread_local bool is_copy = false;

// Registered when the library is loaded, before any thread of greenlane can fork.
const int registered = pthread_atfork(nullptr, nullptr, [] {
  generation.fetch_add(1, std::memory_order_acq_rel);
  is_copy = true;
});

}  // namespace

std::uint64_t process_generation() noexcept { return generation.load(std::memory_order_acquire); }

bool is_copy_of_parents_thread() noexcept { return is_copy; }

void Origin::refuse(const std::string& what) {
  throw StreamError(
      {.what = what + " cannot be used in this process",
       .why = "it was made before fork() in the parent process",
       .remedy = "make lanes after the fork and bind to those, or open the pipeline there; or start processes with "
                 "multiprocessing's 'spawn' or 'forkserver'"});
}

}  // namespace greenlane::detail

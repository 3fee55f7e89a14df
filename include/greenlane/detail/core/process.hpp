// Forks: the process that an object belongs to, and state that a forked child starts anew.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace greenlane::detail {

// Returns the number of forks between the program's first process and this one. A forked child has its parent's memory
// but none of its other threads: work queued for those threads is never served, and locks they held are never unlocked.
// Thread safety: any thread.
[[nodiscard]] std::uint64_t process_generation() noexcept;

// Returns true on a forked child's first thread, which is a copy of one of its parent's threads. OpenMP hangs there if
// the original thread had used it, because its team does not exist in the child.
[[nodiscard]] bool is_copy_of_parents_thread() noexcept;

// The process that an object was made in.
class Origin {
 public:
  Origin() noexcept : generation_(process_generation()) {}
  // Returns false in a child that was forked since.
  [[nodiscard]] bool is_here() const noexcept { return generation_ == process_generation(); }
  // Checks is_here(). `what` names the object, such as "lane 'policy'".
  // Throws: StreamError if is_here() is false.
  void require_here(const std::string& what) const {
    if (!is_here()) refuse(what);
  }

 private:
  [[noreturn]] static void refuse(const std::string& what);
  std::uint64_t generation_;
};

// One T for each process, made at the first use and never destroyed. A forked child does not touch its parent's T,
// which may be locked or half changed.
// Thread safety: get() may be called from any thread.
template <typename T>
class PerProcess {
 public:
  constexpr PerProcess() noexcept = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  [[nodiscard]] T& get() {
    const auto generation = process_generation();
    Node* node = node_.load(std::memory_order_acquire);
    while (!node || node->generation != generation) {
      auto fresh = std::make_unique<Node>(generation);
      if (!node_.compare_exchange_strong(node, fresh.get(), std::memory_order_acq_rel)) continue;
      return fresh.release()->value;
    }
    return node->value;
  }

 private:
  struct Node {
    explicit Node(std::uint64_t of) : generation(of) {}
    std::uint64_t generation;
    T value{};
  };
  std::atomic<Node*> node_{nullptr};
};

// A mutex that is unlocked in a forked child, even if it was locked in the parent.
// Thread safety: as M's.
template <typename M>
class ForkSafe {
 public:
  ForkSafe() = default;
  ForkSafe(const ForkSafe&) = delete;
  ForkSafe& operator=(const ForkSafe&) = delete;
  void lock() {
    renew_in_child();
    mutex_.lock();
  }
  [[nodiscard]] bool try_lock() {
    renew_in_child();
    return mutex_.try_lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  void renew_in_child() {
    if (generation_.load(std::memory_order_acquire) == process_generation()) return;
    static PerProcess<std::mutex> renewing;
    const std::scoped_lock lock(renewing.get());
    if (generation_.load(std::memory_order_relaxed) == process_generation()) return;
    std::construct_at(&mutex_);  // over the parent's, which must not be destroyed because it may be locked
    generation_.store(process_generation(), std::memory_order_release);
  }
  M mutex_{};
  std::atomic<std::uint64_t> generation_{process_generation()};
};

using ForkSafeMutex = ForkSafe<std::mutex>;
using ForkSafeRecursiveMutex = ForkSafe<std::recursive_mutex>;

}  // namespace greenlane::detail

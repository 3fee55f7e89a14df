// The table of functions that a test puts in the place of a loaded library's.
#pragma once

#include <atomic>

namespace greenlane::driver {

// A scope in which another table is in force. For tests; cannot be nested.
// Thread safety: the static members may be called from any thread.
template <typename Table>
class ScopedTableOf {
 public:
  // Null: as if there were no library.
  explicit ScopedTableOf(const Table* table) noexcept {
    table_.store(table, std::memory_order_release);
    is_active_.store(true, std::memory_order_release);
  }
  ~ScopedTableOf() {
    is_active_.store(false, std::memory_order_release);
    table_.store(nullptr, std::memory_order_release);
  }
  ScopedTableOf(const ScopedTableOf&) = delete;
  ScopedTableOf& operator=(const ScopedTableOf&) = delete;

  // Returns true within a scope.
  [[nodiscard]] static bool is_active() noexcept { return is_active_.load(std::memory_order_acquire); }
  // Returns the scope's table.
  [[nodiscard]] static const Table* table() noexcept { return table_.load(std::memory_order_acquire); }

 private:
  inline static std::atomic<bool> is_active_{false};
  inline static std::atomic<const Table*> table_{nullptr};
};

}  // namespace greenlane::driver

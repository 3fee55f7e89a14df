// A queue from threads of C++ to one reader.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// Thread safety: all members may be called from any thread. None of them waits for the reader.
template <typename T>
class Mailbox {
 public:
  // Adds an item. Returns false if there are `most` already, or if the mailbox is closed.
  bool put(T item, std::size_t most) {
    {
      const std::scoped_lock lock(mutex_);
      if (is_closed_ || items_.size() >= most) return false;
      items_.push_back(std::move(item));
    }
    changed_.notify_all();
    return true;
  }
  // Takes all items, the oldest first.
  [[nodiscard]] std::vector<T> take() {
    const std::scoped_lock lock(mutex_);
    std::vector<T> all(std::make_move_iterator(items_.begin()), std::make_move_iterator(items_.end()));
    items_.clear();
    return all;
  }
  // Drops all items, and takes no more.
  void close() {
    {
      const std::scoped_lock lock(mutex_);
      is_closed_ = true;
      items_.clear();
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool is_closed() const {
    const std::scoped_lock lock(mutex_);
    return is_closed_;
  }
  // Waits until there is an item or the mailbox is closed, or for `time` at most. Returns whether there is or it is.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return is_closed_ || !items_.empty(); });
  }

 private:
  mutable std::mutex mutex_;  // guards the following members
  mutable std::condition_variable changed_;
  std::deque<T> items_;
  bool is_closed_ = false;
};

}  // namespace greenlane::bindings

// Time spans, recorded for traces.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <vector>

namespace greenlane {

struct TimeSpan {
  std::chrono::steady_clock::time_point begin;
  std::chrono::steady_clock::time_point end;
};

// The first `capacity` spans that were added; later ones are dropped.
// Thread safety: all members may be called from any thread.
class SpanLog {
 public:
  explicit SpanLog(std::size_t capacity) : capacity_(capacity) { spans_.reserve(capacity); }

  void add(TimeSpan span) {
    const std::scoped_lock lock(mutex_);
    if (spans_.size() < capacity_) spans_.push_back(span);
  }
  void clear() {
    const std::scoped_lock lock(mutex_);
    spans_.clear();
  }
  [[nodiscard]] std::vector<TimeSpan> spans() const {
    const std::scoped_lock lock(mutex_);
    return spans_;
  }

 private:
  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::vector<TimeSpan> spans_;
};

}  // namespace greenlane

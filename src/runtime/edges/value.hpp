// What flows between the engines of a pipeline.
#pragma once

#include "runtime/serving/request.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

namespace greenlane::runtime {

// The tensors of a value. Only the producers and consumers know their types.
// Thread safety: all members may be called from any thread.
class Payload {
 public:
  Payload() = default;
  virtual ~Payload() = default;
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;

  // Returns true once the device has written it. Does not wait.
  [[nodiscard]] virtual bool is_done() const { return true; }

  // Notes when the device had written it, for a value that was handed out before.
  void note_done(Clock::time_point at) const noexcept { done_at_ = at.time_since_epoch().count(); }
  // Returns that time; the clock's beginning if nobody noted it.
  [[nodiscard]] Clock::time_point done_at() const noexcept { return Clock::time_point(Clock::duration(done_at_)); }

 private:
  mutable std::atomic<Clock::rep> done_at_{0};
};

// An item that a source published.
struct SourceItem {
  std::size_t source = 0;      // its index in the pipeline
  std::uint64_t sequence = 0;  // 1 for the source's first item
  Clock::time_point published;

  friend bool operator==(const SourceItem&, const SourceItem&) = default;
};

// The source items that went into something, each once.
class SourceItems {
 public:
  SourceItems() = default;
  explicit SourceItems(const SourceItem& item) : items_{item} {}

  void add(const SourceItems& others) {
    for (const auto& item : others.items_) {
      if (std::ranges::find(items_, item) == items_.end()) items_.push_back(item);
    }
  }
  [[nodiscard]] const std::vector<SourceItem>& all() const noexcept { return items_; }
  // Returns when the oldest was published; absent: there are none.
  [[nodiscard]] std::optional<Clock::time_point> oldest() const {
    const auto oldest = std::ranges::min_element(items_, {}, &SourceItem::published);
    return oldest == items_.end() ? std::nullopt : std::optional(oldest->published);
  }

 private:
  std::vector<SourceItem> items_;
};

// The outputs of one run, or one item of a source. Does not change.
struct Value {
  std::shared_ptr<const Payload> payload;
  std::uint64_t sequence = 0;  // of its producer, from 1; 0: the initial data of a feedback edge
  // The number of resets of the pipeline before the initial data that went into it. The highest: there is none in it.
  std::uint64_t epoch = std::numeric_limits<std::uint64_t>::max();
  SourceItems items{};
};
using ValuePtr = std::shared_ptr<const Value>;

}  // namespace greenlane::runtime

// Measures the way from a source to an engine.
#pragma once

#include "runtime/edges/value.hpp"
#include "runtime/serving/figures.hpp"

#include <greenlane/runtime/stats.hpp>

#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

namespace greenlane::runtime {

// The latency of an item runs from its publication to the end of the first result that contains it. An item counts as
// dropped once a result contains a newer one but none has contained it.
// Thread safety: all members may be called from any thread.
class PathMeter {
 public:
  PathMeter(std::size_t source, std::optional<std::chrono::nanoseconds> deadline)
      : source_(source), deadline_(deadline), window_(Clock::now()) {}

  // Forgets the items so far.
  void begin(Clock::time_point now);
  // Notes a result that was there at `end`. Calls `on_item` for each item that no earlier result contained.
  using OnItem = std::function<void(const SourceItem&, std::chrono::nanoseconds latency)>;
  void add(const SourceItems& items, Clock::time_point end, const OnItem& on_item = {});
  [[nodiscard]] PathFigures now(Clock::time_point now);
  // Returns the latencies of all items.
  [[nodiscard]] LatencyHistogram latencies() const;

 private:
  static constexpr std::size_t kSeen = 4096;  // latest items of which it knows whether a result contained them
  // Returns whether no result has contained this item, and notes that one does.
  bool take(std::uint64_t sequence);

  const std::size_t source_;
  const std::optional<std::chrono::nanoseconds> deadline_;
  mutable std::mutex mutex_;  // guards the following members
  std::uint64_t first_ = 0;   // items up to this one do not count
  std::uint64_t newest_ = 0;  // the newest that a result contained
  std::bitset<kSeen> seen_;   // by the sequence number, modulo its size
  std::uint64_t done_ = 0;
  std::uint64_t misses_ = 0;
  LatencyHistogram whole_;
  SlidingHistogram window_;
};

}  // namespace greenlane::runtime

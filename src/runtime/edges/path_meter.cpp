#include "runtime/edges/path_meter.hpp"

#include <algorithm>
#include <memory>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

void PathMeter::begin(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  first_ = newest_;
  done_ = 0;
  misses_ = 0;
  whole_ = {};
  window_ = SlidingHistogram(now);
}

bool PathMeter::take(std::uint64_t sequence) {
  if (sequence <= first_ || sequence + kSeen <= newest_) return false;
  const auto oldest = sequence < kSeen ? 1 : sequence - kSeen + 1;
  for (auto skipped = std::max<std::uint64_t>(newest_ + 1, oldest); skipped <= sequence; ++skipped)
    seen_.reset(skipped % kSeen);
  newest_ = std::max(newest_, sequence);
  const auto bit = sequence % kSeen;
  if (seen_.test(bit)) return false;
  seen_.set(bit);
  return true;
}

void PathMeter::add(const SourceItems& items, Clock::time_point end, const OnItem& on_item) {
  const std::scoped_lock lock(mutex_);
  for (const auto& item : items.all()) {
    if (item.source != source_ || !take(item.sequence)) continue;
    const auto latency = end - item.published;
    ++done_;
    if (deadline_ && latency > *deadline_) ++misses_;
    whole_.record(latency);
    window_.record(latency, end);
    if (on_item) on_item(item, latency);
  }
}

LatencyHistogram PathMeter::latencies() const {
  const std::scoped_lock lock(mutex_);
  return whole_;
}

PathFigures PathMeter::now(Clock::time_point now) {
  std::unique_lock lock(mutex_);
  window_.advance(now);
  PathFigures figures{.items = done_,
                      .misses = misses_,
                      .dropped = newest_ - first_ - std::min(done_, newest_ - first_),
                      .recent = {},
                      .whole = {}};
  const auto recent = std::make_unique<LatencyHistogram>(window_.whole());
  const auto longest = window_.max();
  const auto whole = std::make_unique<LatencyHistogram>(whole_);
  lock.unlock();  // see Figures::now()
  figures.recent = figures_of(*recent, longest);
  figures.whole = figures_of(*whole, whole->max());
  return figures;
}

}  // namespace greenlane::runtime

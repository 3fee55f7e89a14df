#include "runtime/serving/figures.hpp"

#include <algorithm>
#include <memory>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

LatencyFigures figures_of(const LatencyHistogram& histogram, nanoseconds max) {
  static const auto bounds = [] {
    std::array<nanoseconds, kLatencyBounds.size()> all{};
    std::ranges::transform(kLatencyBounds, all.begin(), [](double seconds) {
      return std::chrono::round<nanoseconds>(std::chrono::duration<double>(seconds));
    });
    return all;
  }();
  return {.count = histogram.count(),
          .p50 = std::min(max, histogram.quantile(0.5)),
          .p90 = std::min(max, histogram.quantile(0.9)),
          .p99 = std::min(max, histogram.quantile(0.99)),
          .max = max,
          .sum = histogram.sum(),
          .up_to = histogram.counts_up_to(bounds)};
}

void SlidingHistogram::record(nanoseconds latency, Clock::time_point now) {
  advance(now);
  whole_.record(latency);
  steps_[step_ % kSteps].record(latency);
}

void SlidingHistogram::advance(Clock::time_point now) {
  const auto step = step_of(now);
  if (step <= step_) return;
  if (step - step_ >= kSteps) {
    whole_ = {};
    steps_ = {};
  } else {
    for (auto each = step_ + 1; each <= step; ++each) {
      auto& oldest = steps_[each % kSteps];
      if (oldest.count() > 0) whole_.subtract(oldest);
      oldest = {};
    }
  }
  step_ = step;
}

nanoseconds SlidingHistogram::max() const {
  nanoseconds max{0};
  for (const auto& step : steps_) max = std::max(max, step.max());
  return max;
}

nanoseconds SlidingHistogram::covered(Clock::time_point now) const {
  const auto oldest =
      step_ < kSteps ? begin_ : begin_ + static_cast<std::chrono::seconds::rep>(step_ - (kSteps - 1)) * kStep;
  return now > oldest ? now - oldest : nanoseconds(0);
}

void Figures::begin(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  calls_ = 0;
  counts_ = {};
  whole_ = {};
  waits_ = {};
  ages_ = {};
  window_ = SlidingHistogram(now);
}

void Figures::served(nanoseconds waited, nanoseconds latency, Clock::time_point now, bool is_missed) {
  const std::scoped_lock lock(mutex_);
  ++counts_.runs;
  if (is_missed) ++counts_.misses;
  whole_.record(latency);
  waits_.record(waited);
  window_.record(latency, now);
}

void Figures::skipped(std::uint64_t ticks) {
  const std::scoped_lock lock(mutex_);
  counts_.skipped += ticks;
  counts_.misses += ticks;
}

void Figures::age(nanoseconds age) {
  const std::scoped_lock lock(mutex_);
  ages_.record(age);
}

void Figures::batch(std::uint64_t rows, std::uint64_t padding) {
  const std::scoped_lock lock(mutex_);
  ++counts_.batches;
  counts_.batch_rows += rows;
  counts_.padding_rows += padding;
}

void Figures::dropped() {
  const std::scoped_lock lock(mutex_);
  ++counts_.dropped;
  ++counts_.misses;
}

void Figures::add(std::uint64_t RunFigures::* counter) {
  const std::scoped_lock lock(mutex_);
  ++(counts_.*counter);
}

RunFigures Figures::now(Clock::time_point now) {
  // An engine that ends a run waits while the histograms are copied, not while they are read.
  std::unique_lock lock(mutex_);
  window_.advance(now);
  auto figures = counts_;
  const auto recent = std::make_unique<LatencyHistogram>(window_.whole());
  const auto longest = window_.max();
  const auto whole = std::make_unique<LatencyHistogram>(whole_);
  const auto waits = std::make_unique<LatencyHistogram>(waits_);
  const auto ages = std::make_unique<LatencyHistogram>(ages_);
  const std::chrono::duration<double> covered = window_.covered(now);
  lock.unlock();
  figures.calls = calls_;
  figures.recent = figures_of(*recent, longest);
  figures.whole = figures_of(*whole, whole->max());
  figures.waits = figures_of(*waits, waits->max());
  figures.ages = figures_of(*ages, ages->max());
  if (covered.count() > 0) figures.rate_hz = static_cast<double>(figures.recent.count) / covered.count();
  return figures;
}

}  // namespace greenlane::runtime

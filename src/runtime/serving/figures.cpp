#include "runtime/serving/figures.hpp"

#include <algorithm>

namespace greenlane::runtime {

using std::chrono::nanoseconds;

LatencyFigures figures_of(const LatencyHistogram& histogram, nanoseconds max) {
  return {.count = histogram.count(),
          .p50 = std::min(max, histogram.quantile(0.5)),
          .p90 = std::min(max, histogram.quantile(0.9)),
          .p99 = std::min(max, histogram.quantile(0.99)),
          .max = max};
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

LatencyFigures SlidingHistogram::figures() const {
  nanoseconds max{0};
  for (const auto& step : steps_) max = std::max(max, step.max());
  return figures_of(whole_, max);
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
  const std::scoped_lock lock(mutex_);
  window_.advance(now);
  auto figures = counts_;
  figures.calls = calls_;
  figures.recent = window_.figures();
  figures.whole = figures_of(whole_, whole_.max());
  figures.waits = figures_of(waits_, waits_.max());
  figures.ages = figures_of(ages_, ages_.max());
  const std::chrono::duration<double> covered = window_.covered(now);
  if (covered.count() > 0) figures.rate_hz = static_cast<double>(figures.recent.count) / covered.count();
  return figures;
}

}  // namespace greenlane::runtime

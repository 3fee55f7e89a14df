// Latencies, counted in buckets of bounded relative width.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace greenlane::runtime {

/// A log-linear histogram like HdrHistogram. Any duration from 1 ns to 18 minutes is known to within 1/128 of itself.
/// Its size is fixed (34 KiB), so a run of any length takes the same memory. Longer durations count as the longest.
/// Thread safety: none.
class LatencyHistogram {
 public:
  /// The unit of latencies.
  using Duration = std::chrono::nanoseconds;

  /// Counts one latency.
  void record(Duration latency) noexcept {
    const auto value = static_cast<std::uint64_t>(latency.count() > 0 ? latency.count() : 1);
    ++buckets_[index_of(value)];
    ++count_;
    sum_ += static_cast<double>(value);
    if (latency > max_) max_ = latency;
  }

  /// Adds all that another histogram counted.
  void merge(const LatencyHistogram& other) noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  /// Removes all that another histogram counted, which must have been counted here, too. max() stays.
  void subtract(const LatencyHistogram& other) noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] -= other.buckets_[i];
    count_ -= other.count_;
    sum_ -= other.sum_;
  }

  /// Returns the number of latencies.
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Returns the longest latency.
  [[nodiscard]] Duration max() const noexcept { return max_; }
  /// Returns the sum of all latencies.
  [[nodiscard]] Duration sum() const noexcept { return Duration(static_cast<Duration::rep>(sum_)); }
  /// Returns the mean latency; 0 if nothing was recorded.
  [[nodiscard]] Duration mean() const noexcept {
    return Duration(count_ ? static_cast<Duration::rep>(sum_ / static_cast<double>(count_)) : 0);
  }

  /// Returns the smallest duration that is at least as long as the share `q` (0 to 1) of all durations; 0 if nothing
  /// was recorded.
  [[nodiscard]] Duration quantile(double q) const noexcept {
    if (count_ == 0) return Duration(0);
    auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_));
    if (static_cast<double>(wanted) < q * static_cast<double>(count_)) ++wanted;
    if (wanted == 0) wanted = 1;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return std::min(max_, Duration(static_cast<Duration::rep>(upper_bound(i))));
    }
    return max_;
  }

  /// Returns, for each of these ascending bounds, the number of durations that are no longer. Those that are shorter by
  /// less than 1/128 may be left out.
  template <std::size_t N>
  [[nodiscard]] std::array<std::uint64_t, N> counts_up_to(const std::array<Duration, N>& bounds) const noexcept {
    std::array<std::uint64_t, N> counts{};
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    for (std::size_t i = 0; i < N; ++i) {
      const auto bound = static_cast<std::uint64_t>(bounds[i].count());
      for (; seen < count_ && bucket < buckets_.size() && upper_bound(bucket) <= bound; ++bucket)
        seen += buckets_[bucket];
      counts[i] = seen;
    }
    return counts;
  }

 private:
  static constexpr unsigned kBits = 7;                              // 128 buckets an octave
  static constexpr std::size_t kOctaves = 40 - kBits;               // up to 2^40 ns
  static constexpr std::size_t kBuckets = (kOctaves + 1) << kBits;  // the first octave is exact

  static std::size_t index_of(std::uint64_t value) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= kBits) return static_cast<std::size_t>(value);
    const unsigned shift = width - kBits - 1;
    const std::size_t index =
        ((static_cast<std::size_t>(shift) + 1) << kBits) + ((value >> shift) - (std::size_t{1} << kBits));
    return index < kBuckets ? index : kBuckets - 1;
  }
  static std::uint64_t upper_bound(std::size_t index) noexcept {
    const std::size_t octave = index >> kBits;
    if (octave == 0) return index;
    const std::uint64_t step = index & ((std::size_t{1} << kBits) - 1);
    return (((std::uint64_t{1} << kBits) + step + 1) << (octave - 1)) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
  Duration max_{0};
};

}  // namespace greenlane::runtime

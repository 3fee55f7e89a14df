#include <greenlane/detail/runtime/latency_histogram.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace greenlane::runtime {
namespace {

using Duration = LatencyHistogram::Duration;

LatencyHistogram histogram_of(const std::vector<std::int64_t>& values) {
  LatencyHistogram histogram;
  for (const auto value : values) histogram.record(Duration(value));
  return histogram;
}

// Returns the smallest value that is not below the share `q` of all values.
std::int64_t exact_quantile(const std::vector<std::int64_t>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

TEST(LatencyHistogram, CountsUpToABoundAreExactToOneIn128) {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> exponent(1, 10);
  std::vector<std::int64_t> values(10'000);
  for (auto& value : values) value = static_cast<std::int64_t>(std::pow(10, exponent(random)));
  const auto histogram = histogram_of(values);
  constexpr std::array bounds{Duration(1),         Duration(100),           Duration(50'000),
                              Duration(1'000'000), Duration(1'000'000'000), Duration::max()};
  const auto counts = histogram.counts_up_to(bounds);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const auto count_below = [&](double limit) {
      return static_cast<std::uint64_t>(
          std::ranges::count_if(values, [&](auto value) { return static_cast<double>(value) <= limit; }));
    };
    const auto bound = static_cast<double>(bounds[i].count());
    EXPECT_LE(counts[i], count_below(bound)) << bound;
    EXPECT_GE(counts[i], count_below(bound * (1 - 1.0 / 128))) << bound;
  }
  EXPECT_EQ(histogram_of({3, 4, 5}).sum(), Duration(12));
}

TEST(LatencyHistogram, EveryQuantileHasAnErrorBelowOneIn128) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(1, 10);
  for (const int count : {1, 2, 7, 1'000, 100'000}) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(count));
    for (auto& value : values) value = static_cast<std::int64_t>(std::pow(10, exponent(random)));
    const auto histogram = histogram_of(values);
    std::ranges::sort(values);
    for (const double q : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto exact = exact_quantile(values, q);
      const auto measured = histogram.quantile(q).count();
      EXPECT_GE(measured, exact) << count << " values, q " << q;
      EXPECT_LE(static_cast<double>(measured), static_cast<double>(exact) * (1 + 1.0 / 128))
          << count << " values, q " << q;
    }
  }
}

TEST(LatencyHistogram, ASingleDurationIsExact) {
  for (std::int64_t value = 1; value < (std::int64_t{1} << 39); value = value * 3 / 2 + 1) {
    const auto histogram = histogram_of({value});
    EXPECT_EQ(histogram.quantile(0.5).count(), value);  // no quantile is above the longest latency
    EXPECT_EQ(histogram.max().count(), value);
    EXPECT_EQ(histogram.mean().count(), value);
  }
}

TEST(LatencyHistogram, BucketsOfEveryOctaveKeepTheirBound) {
  for (int bit = 0; bit < 40; ++bit) {
    for (const std::int64_t offset : {-1, 0, 1}) {
      const auto value = std::max<std::int64_t>((std::int64_t{1} << bit) + offset, 1);
      const auto measured = histogram_of({value, std::int64_t{1} << 40}).quantile(0.5).count();
      EXPECT_GE(measured, value);
      EXPECT_LE(measured - value, value / 128) << value;
    }
  }
}

TEST(LatencyHistogram, QuantilesGrowWithTheirRank) {
  std::mt19937_64 random(2);
  std::lognormal_distribution<double> latency(12, 2);
  LatencyHistogram histogram;
  for (int i = 0; i < 10'000; ++i) histogram.record(Duration(static_cast<std::int64_t>(latency(random))));
  for (int i = 1; i <= 1'000; ++i) EXPECT_LE(histogram.quantile((i - 1) / 1'000.0), histogram.quantile(i / 1'000.0));
  EXPECT_EQ(histogram.quantile(1), histogram.max());
}

TEST(LatencyHistogram, AnEmptyHistogramIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.max().count(), 0);
  EXPECT_EQ(histogram.mean().count(), 0);
  for (const double q : {0.0, 0.5, 1.0}) EXPECT_EQ(histogram.quantile(q).count(), 0);
}

TEST(LatencyHistogram, ZeroAndNegativeDurationsCountAsZero) {
  const auto histogram = histogram_of({0, -5});
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.max().count(), 0);
  EXPECT_EQ(histogram.quantile(0.5).count(), 0);
}

TEST(LatencyHistogram, DurationsAboveTheRangeCountInTheLastBucket) {
  const auto hours = std::int64_t{3} * 3'600 * 1'000'000'000;
  const auto histogram = histogram_of({hours, hours + 1});
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.max().count(), hours + 1);
  EXPECT_EQ(histogram.quantile(0.5).count(), (std::int64_t{1} << 40) - 1);
}

TEST(LatencyHistogram, TheMeanIsExact) { EXPECT_EQ(histogram_of({1'000, 2'000, 6'000}).mean().count(), 3'000); }

}  // namespace
}  // namespace greenlane::runtime

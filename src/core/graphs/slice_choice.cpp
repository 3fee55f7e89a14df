#include "core/graphs/slice_choice.hpp"

#include <greenlane/detail/core/slices_in_flight.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// The host does not keep up with the device for shorter slices.
constexpr nanoseconds kShortest = microseconds(25);
constexpr nanoseconds kLongest = microseconds(200);

// More slices ahead are never better: each makes urgent work wait longer, and one hides the host's work.
constexpr int kMostAhead = 1;

nanoseconds longest_of(std::span<const Slice> finest, std::span<const nanoseconds> times,
                       std::span<const Slice> merged) {
  nanoseconds longest{0};
  std::size_t next = 0;
  for (const auto& slice : merged) {
    nanoseconds length{0};
    for (std::size_t taken = 0; taken < slice.size(); ++next) {
      length += times[next];
      taken += finest[next].size();
    }
    longest = std::max(longest, length);
  }
  return longest;
}

double count(const SliceChoice& choice) { return static_cast<double>(choice.slices.size()); }

// Returns the cost of one slice with this look-ahead. The choice with the most slices is measured, because its error
// per slice is the smallest. Part of the cost does not depend on the number of slices, so the cheapest choice by this
// measurement is measured too, and counts if its cost is higher.
double cost_of_slice(std::span<const SliceChoice> choices, int look_ahead, double most_overhead,
                     const std::function<double(const SliceChoice&)>& overhead) {
  std::vector<const SliceChoice*> all;
  for (const auto& choice : choices) {
    if (choice.look_ahead == look_ahead) all.push_back(&choice);
  }
  std::ranges::stable_sort(all, std::greater<>(), [](const auto* choice) { return choice->slices.size(); });
  const double by_most = overhead(*all.front()) / count(*all.front());
  if (!std::isfinite(by_most)) return by_most;
  const auto cheap = [&](const auto* choice) { return by_most * count(*choice) <= most_overhead; };
  const auto found = std::ranges::find_if(all, cheap);
  const auto& pointed_at = found != all.end() ? **found : *all.back();
  if (&pointed_at == all.front()) return by_most;
  const double measured = overhead(pointed_at) / count(pointed_at);
  return std::isfinite(measured) ? std::max(measured, by_most) : by_most;
}

}  // namespace

std::vector<SliceChoice> slice_choices(std::span<const Slice> finest, std::span<const nanoseconds> times,
                                       const SliceOptions& options) {
  std::vector<SliceChoice> choices;
  for (auto length = options.longest.value_or(kShortest); length <= options.longest.value_or(kLongest);
       length += length / 25 + nanoseconds(1)) {
    auto slices = merge_slices(finest, times, length);
    // The same number of slices, with a longer longest slice.
    if (!choices.empty() && choices.back().slices.size() == slices.size()) continue;
    const auto longest = longest_of(finest, times, slices);
    const int first = std::max(options.look_ahead.value_or(options.longest ? 1 : 0), 0);
    const int last = options.look_ahead || options.longest ? first : kMostAhead;
    for (int ahead = first; ahead <= last; ++ahead) {
      choices.push_back({.slices = slices,
                         .longest = longest,
                         .in_flight = time_in_flight(longest, ahead, options.wait),
                         .look_ahead = ahead});
    }
  }
  std::ranges::stable_sort(choices, {}, &SliceChoice::in_flight);
  return choices;
}

const SliceChoice& choose_slices(std::span<const SliceChoice> choices, double most_overhead,
                                 const std::function<double(const SliceChoice&)>& overhead) {
  if (choices.size() == 1) return choices.front();
  std::map<int, double> slice_costs;  // by look-ahead
  for (const auto& choice : choices) slice_costs[choice.look_ahead] = 0;
  for (auto& [ahead, cost] : slice_costs) cost = cost_of_slice(choices, ahead, most_overhead, overhead);
  const auto cost = [&](const SliceChoice& choice) { return slice_costs.at(choice.look_ahead) * count(choice); };
  const auto cheap = std::ranges::find_if(choices, [&](const auto& choice) { return cost(choice) <= most_overhead; });
  return cheap != choices.end() ? *cheap : *std::ranges::min_element(choices, {}, cost);
}

std::optional<LongKernel> find_long_kernel(std::span<const Slice> finest, std::span<const nanoseconds> times,
                                           const SliceOptions& options,
                                           const std::function<std::optional<std::string>(int)>& kernel_name) {
  std::optional<LongKernel> longest;
  for (std::size_t i = 0; i < finest.size(); ++i) {
    if (times[i] <= std::max(options.longest.value_or(kLongest), longest.value_or(LongKernel{}).time)) continue;
    LongKernel found{.name = {}, .time = times[i], .kernels = 0};
    for (const int node : finest[i]) {
      const auto name = kernel_name(node);
      if (name && found.kernels++ == 0) found.name = *name;
    }
    if (found.kernels > 0) longest = std::move(found);
  }
  return longest;
}

}  // namespace greenlane::detail

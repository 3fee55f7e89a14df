#include "core/slice_choice.hpp"

#include <algorithm>
#include <limits>

namespace greenlane::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// Below the shortest the host does not keep up with the device.
constexpr nanoseconds kShortest = microseconds(25);
constexpr nanoseconds kLongest = microseconds(200);

// More are never better: each makes urgent work wait longer, and two hide what the host does.
constexpr int kMostAhead = 2;

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

}  // namespace

std::vector<SliceChoice> slice_choices(std::span<const Slice> finest, std::span<const nanoseconds> times,
                                       const SliceOptions& options) {
  std::vector<SliceChoice> choices;
  for (auto length = options.longest.value_or(kShortest); length <= options.longest.value_or(kLongest);
       length += length / 25 + nanoseconds(1)) {
    auto slices = merge_slices(finest, times, length);
    // As many, of which one is longer.
    if (!choices.empty() && choices.back().slices.size() == slices.size()) continue;
    const auto longest = longest_of(finest, times, slices);
    const int first = std::max(options.look_ahead.value_or(0), 0);
    const int last = options.look_ahead ? first : kMostAhead;
    for (int ahead = first; ahead <= last; ++ahead)
      choices.push_back({.slices = slices, .longest = longest, .look_ahead = ahead});
  }
  std::ranges::stable_sort(choices, {}, &SliceChoice::in_flight);
  return choices;
}

const SliceChoice& choose_slices(std::span<const SliceChoice> choices, double most_overhead,
                                 const std::function<double(const SliceChoice&)>& overhead) {
  const SliceChoice* cheapest = &choices.front();
  if (choices.size() == 1) return *cheapest;
  double least = std::numeric_limits<double>::max();
  for (const auto& choice : choices) {
    const double cost = overhead(choice);
    if (cost <= most_overhead) return choice;
    if (cost < least) {
      least = cost;
      cheapest = &choice;
    }
  }
  return *cheapest;
}

}  // namespace greenlane::detail

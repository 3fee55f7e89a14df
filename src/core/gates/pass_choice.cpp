#include "core/gates/pass_choice.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>

namespace greenlane::detail {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kTries = 192;  // of each way
// Calls beside best effort may take longer by this share of the others' time, or by this share of their deadline. Where
// a deadline is far away, some time more is worth less than what best effort loses.
constexpr double kMostLonger = 0.25;
constexpr double kMostOfDeadline = 0.1;

// Returns the mean time of the slow calls: the slowest quarter without the slowest twentieth. One rank alone would turn
// by chance where about as many calls are delayed by the host, whichever way they pass.
double slow_time(std::vector<nanoseconds> times) {
  std::ranges::sort(times);
  const auto count = times.size();
  const std::span slow(times.begin() + static_cast<std::ptrdiff_t>(count - count / 4), count / 4 - count / 20);
  return static_cast<double>(std::reduce(slow.begin(), slow.end()).count()) / static_cast<double>(slow.size());
}

}  // namespace

void PassChoice::add(PassWay way, nanoseconds time) {
  if (is_made()) return;
  auto& times = way == PassWay::hold ? held_ : beside_;
  if (times.size() < kTries) times.push_back(time);
  if (!is_made()) return;
  const double held = slow_time(held_);
  const double most_longer = std::max(kMostLonger * held, kMostOfDeadline * static_cast<double>(deadline_.count()));
  chosen_ = slow_time(beside_) <= held + most_longer ? PassWay::beside : PassWay::hold;
}

bool PassChoice::is_made() const { return held_.size() == kTries && beside_.size() == kTries; }

}  // namespace greenlane::detail

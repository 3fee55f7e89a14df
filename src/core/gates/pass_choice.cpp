#include "core/gates/pass_choice.hpp"

#include <algorithm>
#include <cstddef>

namespace greenlane::detail {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kTries = 48;  // of each way
// Calls beside best effort may take this much longer, as a share.
constexpr double kMostLonger = 0.25;

// Returns the time that nine of ten calls do not exceed.
nanoseconds long_time(std::vector<nanoseconds> times) {
  const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 9 / 10);
  std::ranges::nth_element(times, place);
  return *place;
}

}  // namespace

void PassChoice::add(PassWay way, nanoseconds time) {
  if (is_made()) return;
  auto& times = way == PassWay::hold ? held_ : beside_;
  if (times.size() < kTries) times.push_back(time);
  if (!is_made()) return;
  const auto most = std::chrono::duration<double, std::nano>(long_time(held_)) * (1 + kMostLonger);
  chosen_ = long_time(beside_) <= most ? PassWay::beside : PassWay::hold;
}

bool PassChoice::is_made() const { return held_.size() == kTries && beside_.size() == kTries; }

}  // namespace greenlane::detail

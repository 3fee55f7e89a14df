// How a short urgent engine passes best-effort work. Arithmetic only.
#pragma once

#include <chrono>
#include <vector>

namespace greenlane::detail {

// The ways to pass. hold: the best-effort engine launches no slice until the urgent work is done. beside: its slices go
// on, and the urgent work gets its share of the device by its stream's priority.
enum class PassWay { hold, beside };

// The choice for one pair of an urgent and a best-effort engine. Both ways are tried, and then the better one is kept:
// passing beside costs best effort less, and is taken unless urgent calls take much longer that way, also against their
// deadline.
class PassChoice {
 public:
  explicit PassChoice(std::chrono::nanoseconds deadline) : deadline_(deadline) {}
  // Adds the time that a call took on the device. Ignored once the choice is made.
  void add(PassWay way, std::chrono::nanoseconds time);
  [[nodiscard]] bool is_made() const;
  // Returns the way that was chosen; hold until then.
  [[nodiscard]] PassWay chosen() const noexcept { return chosen_; }

 private:
  std::chrono::nanoseconds deadline_;
  std::vector<std::chrono::nanoseconds> held_;
  std::vector<std::chrono::nanoseconds> beside_;
  PassWay chosen_ = PassWay::hold;
};

}  // namespace greenlane::detail

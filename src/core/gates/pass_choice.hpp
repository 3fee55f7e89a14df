// How a short urgent engine passes best-effort work. Arithmetic only.
#pragma once

#include <chrono>
#include <vector>

namespace greenlane::detail {

// The ways to pass. hold: the best-effort engine launches no slice until the urgent work is done. beside: its slices go
// on, and the urgent work gets its share of the device by its stream's priority.
enum class PassWay { hold, beside };

// The choice for one pair of an urgent and a best-effort engine. It tries both ways in turn, and then keeps the better
// one: passing beside costs best effort less, and is taken unless urgent calls take much longer that way.
class PassChoice {
 public:
  // Returns the way of the next call. If ever so many calls beside taught nothing, calls hold.
  [[nodiscard]] PassWay next();
  // Adds the time that a call took on the device. Ignored once the choice is made.
  void add(PassWay way, std::chrono::nanoseconds time);
  [[nodiscard]] bool is_made() const;

 private:
  std::vector<std::chrono::nanoseconds> held_;
  std::vector<std::chrono::nanoseconds> beside_;
  PassWay chosen_ = PassWay::hold;
  int tries_ = 0;  // calls beside so far, learnt from or not
};

}  // namespace greenlane::detail

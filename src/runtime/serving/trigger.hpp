// What makes an engine run by itself, beside the requests that are submitted to it.
#pragma once

#include "runtime/serving/request.hpp"

#include <optional>

namespace greenlane::runtime {

// The time of a run that will be made once something happens.
inline constexpr auto kNotYet = Clock::time_point::max();

// Thread safety: none. The engine's thread calls all members.
class Trigger {
 public:
  Trigger() = default;
  virtual ~Trigger() = default;
  Trigger(const Trigger&) = delete;
  Trigger& operator=(const Trigger&) = delete;

  // Returns the time of the next run; it may be over. kNotYet: the thread is woken when that changes. Absent: there is
  // none any more.
  [[nodiscard]] virtual std::optional<Clock::time_point> next() = 0;
  // Runs the engine. Must not throw. `start`: the present time, not before next().
  virtual void run(Clock::time_point start) = 0;
};

}  // namespace greenlane::runtime

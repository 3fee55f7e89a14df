// Collects the failures of a scenario for its result.
#pragma once

#include "stress/scenarios.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::stress {

class Outcome {
 public:
  void expect(bool holds, const std::string& failure) {
    if (!holds) failures_.push_back(failure);
  }
  void add(std::vector<std::string> failures) { std::ranges::move(failures, std::back_inserter(failures_)); }
  // Checks that an engine's memory is what its work leaves there.
  template <typename Engine>
  void check(const std::string& name, const Engine& engine) try {
    engine.check();
  } catch (const std::exception& error) {
    failures_.push_back(name + ": " + error.what());
  }
  // Returns the scenario's result: the measurements, and the failures.
  [[nodiscard]] Json with(Json measured) && {
    measured["failures"] = std::move(failures_);
    return measured;
  }

 private:
  std::vector<std::string> failures_;
};

[[nodiscard]] inline double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

[[nodiscard]] inline Json describe(const GateReport& report) {
  return {{"passes", report.passes},
          {"held", report.held},
          {"held_ms", milliseconds(report.held_time)},
          {"longest_held_ms", milliseconds(report.longest_held)},
          {"limits_hit", report.limits_hit}};
}

// Returns quantiles in microseconds.
[[nodiscard]] inline Json quantiles(std::vector<std::chrono::nanoseconds> times) {
  if (times.empty()) return nullptr;
  std::ranges::sort(times);
  const auto at = [&](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(times.size() - 1));
    return milliseconds(times[index]) * 1000;
  };
  return {{"p50_us", at(0.5)}, {"p99_us", at(0.99)}, {"longest_us", at(1)}};
}

}  // namespace greenlane::stress

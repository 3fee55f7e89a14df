// Predictions that learn from what was measured.
#pragma once

#include <greenlane/planner/planner.hpp>

#include <optional>
#include <span>
#include <string>

namespace greenlane {

struct MeasuredEngine {
  std::string engine;
  // 0: not known.
  Microseconds p50{};
  Microseconds p99{};
  std::optional<double> rate_hz{};
};

// The request, its contention and corrections changed by what a run of `plan` measured, which the same request
// predicted; what was not measured stays. Half of the error (in logarithms) is corrected at a time, so that one odd run
// does not decide; again with a new prediction, more of it. Contention stays within 0.8 and 8, corrections within an
// eighth and 8. Throws ConfigError for an engine that the plan does not have.
[[nodiscard]] PlanRequest learn(PlanRequest request, const Plan& plan, std::span<const MeasuredEngine> measured);

}  // namespace greenlane

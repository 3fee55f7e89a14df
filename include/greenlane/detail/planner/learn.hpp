// Predictions corrected by measurements.
#pragma once

#include <greenlane/detail/planner/planner.hpp>

#include <optional>
#include <span>
#include <string>

namespace greenlane {

/// The measured results of one engine.
struct MeasuredEngine {
  /// The engine's name.
  std::string engine;
  /// 0: unknown.
  Microseconds p50{};
  /// 0: unknown.
  Microseconds p99{};
  /// Requests served per second. Absent: unknown.
  std::optional<double> rate_hz{};
};

/// Returns the request with contention and corrections changed by the measurements of a run of `plan`. The plan must be
/// predicted from the same request. Engines and values that were not measured keep their numbers. Half of the error (in
/// logarithms) is corrected at a time, so that one unusual run does not decide; a further prediction and run corrects
/// more of it. Contention stays within 0.8 and 8, corrections within 1/8 and 8.
/// Throws: ConfigError for an engine that the plan does not have.
[[nodiscard]] PlanRequest learn(PlanRequest request, const Plan& plan, std::span<const MeasuredEngine> measured);

}  // namespace greenlane

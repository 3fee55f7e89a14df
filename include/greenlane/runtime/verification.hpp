// Tries the plans of the best predictions, and chooses by what was measured.
#pragma once

#include <greenlane/runtime/planning.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace greenlane::runtime {

struct VerifyOptions {
  Nanoseconds each = std::chrono::seconds(2);     // run of a candidate
  Nanoseconds budget = std::chrono::seconds(60);  // no run is begun after that, but one of what was chosen
  std::size_t at_once = 3;                        // plans that are tried before what they taught is used
  const std::atomic<bool>* stop = nullptr;
  std::function<void(const std::string& what)> progress;
};

// Runs the plans of the best predictions and, with the pipeline's own lanes, the modes gates, priority and shared.
// Lanes that are divided evenly are run as well, where some of them share units or no plan is predicted to meet the
// deadlines. Learns from what was seen, and goes on with the plans that are best then, and with sizes next to those of
// the best one, until none that was not tried is expected to be better or the budget is used up. Chooses as best_of
// does (see require_deadlines), predicts that one by what it showed, and runs it again, up to four times as long: until
// every deadline engine's p99 is as predicted to 15 %, three times at most. Another one is chosen where it does not
// meet the deadlines then, or not with the margin. Where nothing meets them the result says so: see require_deadlines.
// Throws PlanError where no plan is predicted to meet the deadlines and nothing was tried, and EngineError after a stop
// with nothing tried.
[[nodiscard]] PlanResult verify_plans(Pipeline& pipeline, PlanRequest request, const VerifyOptions& options);

}  // namespace greenlane::runtime

// Which plans are worth a run, while they are verified.
#pragma once

#include <greenlane/runtime/planning.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace greenlane::runtime {

class PlansToTry {
 public:
  enum Kind {
    first,      // the best predictions
    predicted,  // those that are predicted to be better than what was measured
    // Those that would be better if the model is too cautious of engines that share, where no run has shown whether it
    // is.
    hoped_for,
    // The best one that was measured, with a group or two moved from one of its partitions to another: others have the
    // sizes that are predicted to be best, which need not be those that are. None that is predicted to be clearly worse
    // than that one is.
    nearby,
  };

  // At most so many, none of which was returned before, the best first. Throws PlanError where there is no plan.
  [[nodiscard]] std::vector<Plan> next(Kind kind, const PlanResult& so_far, const PipelineConfig& config,
                                       std::size_t most);

  // Counts these lanes as returned. False where they were.
  bool note(const PipelineConfig& config);

 private:
  std::set<std::string> returned_;
};

}  // namespace greenlane::runtime

// Chooses the plans that are worth a run during verification.
#pragma once

#include <greenlane/detail/runtime/planning.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace greenlane::runtime {

class PlansToTry {
 public:
  enum Kind {
    first,      // the best predictions
    predicted,  // plans that are predicted to be better than the best measured one
    // Plans that would be better if the model is too cautious about engines that share units, where no run has tested
    // that.
    hoped_for,
    // The best measured plan with a group or two moved from one of its partitions to another. Other candidates have
    // only the sizes that are predicted to be best, and the prediction may be wrong. Plans that are predicted to be
    // clearly worse than the best measured one are left out.
    nearby,
  };

  // Returns at most `most` plans, the best first, none of which was returned before.
  // Throws: PlanError where there is no plan.
  [[nodiscard]] std::vector<Plan> next(Kind kind, const PlanResult& so_far, const PipelineConfig& config,
                                       std::size_t most);

  // Counts these lanes as returned. Returns false where they already were.
  bool note(const PipelineConfig& config);

 private:
  std::set<std::string> returned_;
};

}  // namespace greenlane::runtime

// Runs an engine when its edges have new data.
#pragma once

#include "runtime/edges/edge_runs.hpp"
#include "runtime/serving/trigger.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace greenlane::runtime {

class DataTrigger final : public Trigger {
 public:
  explicit DataTrigger(std::shared_ptr<EdgeRuns> runs) : runs_(std::move(runs)) {}
  [[nodiscard]] std::optional<Clock::time_point> next() override {
    if (!runs_->engine().is_serving()) return std::nullopt;
    return runs_->due().value_or(kNotYet);
  }
  void run(Clock::time_point start) override { (void)runs_->run(runs_->due().value_or(start), start); }

 private:
  std::shared_ptr<EdgeRuns> runs_;
};

}  // namespace greenlane::runtime

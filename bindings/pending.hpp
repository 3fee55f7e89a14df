// torch.classes.greenlane.Pending: work on CPU lanes that Python waits for.
#pragma once

#include "lane.hpp"
#include "waitable.hpp"

#include <greenlane/core/lane_work.hpp>
#include <greenlane/torch/aoti.hpp>

#include <chrono>
#include <optional>

namespace greenlane::bindings {

struct PendingObject final : Waitable {
  std::optional<LaneWork> work;  // a module's, or an empty task to wait for; absent: it was done in place
  std::optional<EngineRun> run;
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const override {
    return (!work || work->wait_for(time)) && (!run || run->wait_for(time));
  }
};
using PendingPtr = c10::intrusive_ptr<PendingObject>;

// Returns work that is done when everything that was submitted to the lane before is done. On a GPU it waits first.
PendingPtr submit_nothing(const LanePtr& self);

void register_pending(torch::Library& library);

}  // namespace greenlane::bindings

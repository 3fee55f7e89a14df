// torch.classes.greenlane.Pending: work on CPU lanes that Python waits for. The waits are short steps, between which
// Python handles Ctrl-C. They are outside of torchbind: if Python ends a waiting thread at the end of the program, only
// C code is unwound.
#pragma once

#include "lane.hpp"

#include <greenlane/core/lane_work.hpp>
#include <greenlane/torch/aoti.hpp>

#include <torch/custom_class.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace greenlane::bindings {

struct PendingObject final : torch::CustomClassHolder {
  std::optional<LaneWork> work;  // a module's, or an empty task to wait for; absent: it was done in place
  std::optional<EngineRun> run;
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const {
    return (!work || work->wait_for(time)) && (!run || run->wait_for(time));
  }
};
using PendingPtr = c10::intrusive_ptr<PendingObject>;

// Returns work that is done when everything that was submitted to the lane before is done. On a GPU it waits first.
PendingPtr submit_nothing(const LanePtr& self);

void register_pending(torch::Library& library);

}  // namespace greenlane::bindings

// Waits for the PendingObject at `address`, at most this many seconds; returns 1 if it is over, else 0. Called by
// ctypes.
extern "C" __attribute__((visibility("default"))) int greenlane_wait(std::int64_t address, double seconds);

// torch.classes.greenlane.Misses: missed deadlines on their way to a thread of Python.
#pragma once

#include "mailbox.hpp"
#include "waitable.hpp"

#include <greenlane/runtime/stats.hpp>

#include <torch/library.h>

#include <chrono>
#include <cstddef>

namespace greenlane::bindings {

struct MissesObject final : Waitable {
  static constexpr std::size_t kMost = 1000;  // waiting for Python; further ones are dropped
  Mailbox<Miss> mailbox;
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds time) const override { return mailbox.wait_for(time); }
};
using MissesPtr = c10::intrusive_ptr<MissesObject>;

void register_misses(torch::Library& library);

}  // namespace greenlane::bindings

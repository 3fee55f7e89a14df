// torch.classes.greenlane.CallersContext: the CUDA context that is current in the calling thread.
#pragma once

#include <greenlane/detail/core/current_context.hpp>

#include <torch/custom_class.h>

#include <optional>
#include <utility>

namespace greenlane::bindings {

// Keeps the context that is current in the thread that makes the object, until restore() makes it current again.
// Lifetime: restore it on the same thread, in reverse order of construction.
struct CallersContextObject final : torch::CustomClassHolder {
  std::optional<CurrentContext> context{std::in_place};
};

void register_callers_context(torch::Library& library);

}  // namespace greenlane::bindings

// Profiles and plans of whole pipelines, as JSON.
#pragma once

#include <torch/library.h>

namespace greenlane::bindings {

void register_planning(torch::Library& library);

}  // namespace greenlane::bindings

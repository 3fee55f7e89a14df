// Operators on engines of other makers: objects of any class, and engines of Torch-TensorRT's runtime in Python.
#pragma once

#include <torch/library.h>

namespace greenlane::bindings {

void register_bindable(torch::Library& library);

}  // namespace greenlane::bindings

#include "callers_context.hpp"

#include <torch/library.h>

namespace greenlane::bindings {

void register_callers_context(torch::Library& library) {
  library.class_<CallersContextObject>("CallersContext")
      .def(torch::init<>())
      .def("restore", [](const c10::intrusive_ptr<CallersContextObject>& self) { self->context.reset(); });
}

}  // namespace greenlane::bindings

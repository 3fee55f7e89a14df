#include "pending.hpp"

#include "python_end.hpp"

#include <torch/library.h>

#include <vector>

namespace greenlane::bindings {

PendingPtr submit_nothing(const LanePtr& self) {
  const WayBack way_back;
  auto pending = c10::make_intrusive<PendingObject>();
  if (self->lane.device().id().kind == DeviceKind::cpu) {
    pending->work = self->lane.submit([] {});
  } else {
    self->lane.synchronize();
  }
  return pending;
}

namespace {

int64_t address_of_pending(const PendingPtr& self) {
  const WayBack way_back;
  return address_of(*self);
}

// Returns an engine's outputs; empty for a module. Call it once.
// Throws: the error of the work.
std::vector<at::Tensor> finish_pending(const PendingPtr& self) {
  const WayBack way_back;
  if (self->work) self->work->get();
  return self->run ? self->run->outputs() : std::vector<at::Tensor>();
}

// Drops the work if it has not begun; returns whether it is over.
bool cancel(const PendingPtr& self) {
  const WayBack way_back;
  return (!self->work || self->work->cancel()) && (!self->run || self->run->cancel());
}

}  // namespace

void register_pending(torch::Library& library) {
  library.class_<PendingObject>("Pending")
      .def("address", address_of_pending)
      .def("cancel", cancel)
      .def("finish", finish_pending);
}

}  // namespace greenlane::bindings

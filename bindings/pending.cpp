#include "pending.hpp"

#include "python_end.hpp"

#include <torch/library.h>

#include <exception>
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

int64_t address_of(const PendingPtr& self) {
  const WayBack way_back;
  return reinterpret_cast<int64_t>(self.get());
}

// Returns an engine's outputs; empty for a module. Call it once.
// Throws: the error of the work.
std::vector<at::Tensor> finish(const PendingPtr& self) {
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
  library.class_<PendingObject>("Pending").def("address", address_of).def("cancel", cancel).def("finish", finish);
}

}  // namespace greenlane::bindings

int greenlane_wait(std::int64_t address, double seconds) {
  const auto* const pending =
      reinterpret_cast<const greenlane::bindings::PendingObject*>(address);  // NOLINT(performance-no-int-to-ptr)
  const std::chrono::duration<double> time(seconds);
  try {
    return pending->wait_for(std::chrono::duration_cast<std::chrono::nanoseconds>(time)) ? 1 : 0;
  } catch (const std::exception&) {
    return 1;  // finish() throws it, too
  }
}

// Work on CPU lanes that Python waits for. It waits in short steps, between which Python hears Ctrl-C, and outside of
// torchbind: a thread that Python ends while it waits, because the program ends, is unwound through C code alone.
#pragma once

#include "objects.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// Whether Python can still be called: streams may be let go of by destructors that run after it has ended, and workers
// may have work left.
inline std::atomic<bool> python_ended{false};

// At the end of what a thread of Python's calls. Python ends threads that come back to it after its own end, and stacks
// with torchbind's frames may not be unwound: such a thread stops for good here.
struct WayBack {
  WayBack() = default;
  WayBack(const WayBack&) = delete;
  WayBack& operator=(const WayBack&) = delete;
  ~WayBack() {
    while (python_ended) std::this_thread::sleep_for(std::chrono::hours(1));
  }
};

// Calls `function(key)`, which is Python's. After the end of Python the thread stops for good: it would be ended there.
inline void call_python(void (*function)(int64_t), int64_t key) {
  while (python_ended) std::this_thread::sleep_for(std::chrono::hours(1));
  function(key);
}

// `function(key)` on the lane of a module's binding; in place where nothing is bound.
inline PendingPtr submit_module(const BindingPtr& self, int64_t function, int64_t key) {
  const WayBack way_back;
  auto* const work = reinterpret_cast<void (*)(int64_t)>(function);  // NOLINT(performance-no-int-to-ptr)
  auto pending = c10::make_intrusive<PendingObject>();
  pending->work = submit_on_cpu(*self->binding, [work, key] { call_python(work, key); });
  return pending;
}

inline PendingPtr submit_engine(const EnginePtr& self, std::vector<at::Tensor> inputs) {
  const WayBack way_back;
  auto pending = c10::make_intrusive<PendingObject>();
  pending->run = self->engine->submit(std::move(inputs));
  return pending;
}

// Done when all that was submitted to the lane before is done.
inline PendingPtr submit_nothing(const LanePtr& self) {
  const WayBack way_back;
  auto pending = c10::make_intrusive<PendingObject>();
  if (self->lane.device().id().kind == DeviceKind::cpu) {
    pending->work = self->lane.submit([] {});
  } else {
    self->lane.synchronize();
  }
  return pending;
}

inline int64_t address_of(const PendingPtr& self) {
  const WayBack way_back;
  return reinterpret_cast<int64_t>(self.get());
}

// Throws what the work threw; of an engine, gives its outputs. Once.
inline std::vector<at::Tensor> finish_pending(const PendingPtr& self) {
  const WayBack way_back;
  if (self->work) self->work->get();
  return self->run ? self->run->outputs() : std::vector<at::Tensor>();
}

// Whether it is over, dropped if it had not begun.
inline bool cancel_pending(const PendingPtr& self) {
  const WayBack way_back;
  return (!self->work || self->work->cancel()) && (!self->run || self->run->cancel());
}

}  // namespace greenlane::bindings

// For ctypes: whether the PendingObject at `address` is over, after so many seconds at most.
extern "C" __attribute__((visibility("default"))) int greenlane_wait(std::int64_t address, double seconds);

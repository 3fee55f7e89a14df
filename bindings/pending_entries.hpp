// Work on CPU lanes that Python waits for. The waits are short steps, between which Python handles Ctrl-C. They are
// outside of torchbind: if Python ends a waiting thread at the end of the program, only C code is unwound.
#pragma once

#include "objects.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// True after the end of Python, when it cannot be called any more. Destructors may release streams after that, and
// workers may have work left.
inline std::atomic<bool> python_ended{false};

// A guard at the end of every call from a Python thread. After its own end, Python ends threads that return to it, and
// stacks with torchbind's frames may not be unwound. Such a thread stops here for good.
struct WayBack {
  WayBack() = default;
  WayBack(const WayBack&) = delete;
  WayBack& operator=(const WayBack&) = delete;
  ~WayBack() {
    while (python_ended) std::this_thread::sleep_for(std::chrono::hours(1));
  }
};

// Calls `function(key)`, a function of Python's. After the end of Python, the thread stops here for good, because
// Python would end it.
inline void call_python(void (*function)(int64_t), int64_t key) {
  while (python_ended) std::this_thread::sleep_for(std::chrono::hours(1));
  function(key);
}

// Submits `function(key)` to the lane of a module's binding; calls it in place if nothing is bound.
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

// Returns work that is done when everything that was submitted to the lane before is done. On a GPU it waits first.
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

// Returns an engine's outputs; empty for a module. Call it once.
// Throws: the error of the work.
inline std::vector<at::Tensor> finish_pending(const PendingPtr& self) {
  const WayBack way_back;
  if (self->work) self->work->get();
  return self->run ? self->run->outputs() : std::vector<at::Tensor>();
}

// Drops the work if it has not begun; returns whether it is over.
inline bool cancel_pending(const PendingPtr& self) {
  const WayBack way_back;
  return (!self->work || self->work->cancel()) && (!self->run || self->run->cancel());
}

}  // namespace greenlane::bindings

// Waits for the PendingObject at `address`, at most this many seconds; returns 1 if it is over, else 0. Called by
// ctypes.
extern "C" __attribute__((visibility("default"))) int greenlane_wait(std::int64_t address, double seconds);

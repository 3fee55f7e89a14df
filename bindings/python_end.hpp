// The end of Python, after which no thread may return to it.
#pragma once

#include <torch/library.h>

#include <atomic>
#include <cstdint>

namespace greenlane::bindings {

// True after the end of Python, when it cannot be called any more. Destructors may release streams after that, and
// workers may have work left.
extern std::atomic<bool> python_ended;

// A guard at the end of every call from a Python thread. After its own end, Python ends threads that return to it, and
// stacks with torchbind's frames may not be unwound. Such a thread stops here for good.
struct WayBack {
  WayBack() = default;
  WayBack(const WayBack&) = delete;
  WayBack& operator=(const WayBack&) = delete;
  ~WayBack();
};

// Calls `function(key)`, a function of Python's. After the end of Python, the thread stops here for good, because
// Python would end it.
void call_python(void (*function)(std::int64_t), std::int64_t key);

void register_python_end(torch::Library& library);

}  // namespace greenlane::bindings

#include "python_end.hpp"

#include <chrono>
#include <thread>

namespace greenlane::bindings {

std::atomic<bool> python_ended{false};

namespace {

void stop_if_python_ended() {
  while (python_ended) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

WayBack::~WayBack() { stop_if_python_ended(); }

void call_python(void (*function)(std::int64_t), std::int64_t key) {
  stop_if_python_ended();
  function(key);
}

void register_python_end(torch::Library& library) {
  library.def("end_python() -> ()", [] { python_ended = true; });
}

}  // namespace greenlane::bindings

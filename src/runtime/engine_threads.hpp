// The threads that serve a pipeline's engines.
#pragma once

#include "runtime/engine_loop.hpp"

#include <functional>
#include <future>
#include <thread>
#include <vector>

namespace greenlane::runtime {

// One thread for each engine, which warms it up and serves it. Both on one thread, because libraries such as cuBLAS
// make their handles for each thread, and wait for the whole device to do so: beside busy neighbours each of these
// waits takes as long as a neighbour's request. Thread safety: none. Lifetime: threads that were never started end when
// this goes.
class EngineThreads {
 public:
  EngineThreads() = default;
  ~EngineThreads();
  EngineThreads(const EngineThreads&) = delete;
  EngineThreads& operator=(const EngineThreads&) = delete;

  // Returns when `warm_up` has returned. Throws what it throws; its engine is not served then.
  void add(std::function<void()> warm_up, std::function<void(const Timetable&)> serve);
  // All serve from now on. Once.
  void start(const Timetable& timetable);
  // Waits until all have served.
  void join();

 private:
  std::promise<const Timetable*> start_;
  std::shared_future<const Timetable*> started_ = start_.get_future().share();
  bool is_started_ = false;
  Timetable timetable_;
  std::vector<std::jthread> threads_;  // the last member: they use the others
};

}  // namespace greenlane::runtime

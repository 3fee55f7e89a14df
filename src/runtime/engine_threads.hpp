// The threads that serve a pipeline's engines.
#pragma once

#include "runtime/engine_loop.hpp"

#include <functional>
#include <future>
#include <thread>
#include <vector>

namespace greenlane::runtime {

// One thread for each engine, which warms up the engine and serves it. The same thread does both, because libraries
// such as cuBLAS make a handle for each thread and wait for the whole device to do so. Beside busy neighbours, each
// such wait takes as long as a neighbour's request.
// Thread safety: none.
// Lifetime: threads that were never started end with this object.
class EngineThreads {
 public:
  EngineThreads() = default;
  ~EngineThreads();
  EngineThreads(const EngineThreads&) = delete;
  EngineThreads& operator=(const EngineThreads&) = delete;

  // Adds an engine, and returns when `warm_up` has returned.
  // Throws: the exception of `warm_up`; the engine is not served then.
  void add(std::function<void()> warm_up, std::function<void(const Timetable&)> serve);
  // Lets all threads serve their engines. Called once.
  void start(const Timetable& timetable);
  // Waits until all threads have served their engines.
  void join();

 private:
  std::promise<const Timetable*> start_;
  std::shared_future<const Timetable*> started_ = start_.get_future().share();
  bool is_started_ = false;
  Timetable timetable_;
  std::vector<std::jthread> threads_;  // the last member, because the threads use the others
};

}  // namespace greenlane::runtime

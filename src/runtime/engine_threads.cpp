#include "runtime/engine_threads.hpp"

#include <utility>

namespace greenlane::runtime {

EngineThreads::~EngineThreads() {
  if (!is_started_) start_.set_value(nullptr);
}

void EngineThreads::add(std::function<void()> warm_up, std::function<void(const Timetable&)> serve) {
  std::promise<void> warm;
  auto is_warm = warm.get_future();
  threads_.emplace_back(
      [warm_up = std::move(warm_up), serve = std::move(serve), started = started_, warm = std::move(warm)]() mutable {
        try {
          warm_up();
        } catch (...) {
          warm.set_exception(std::current_exception());
          return;
        }
        warm.set_value();
        if (const auto* timetable = started.get()) serve(*timetable);
      });
  is_warm.get();
}

void EngineThreads::start(const Timetable& timetable) {
  timetable_ = timetable;
  is_started_ = true;
  start_.set_value(&timetable_);
}

void EngineThreads::join() { threads_.clear(); }

}  // namespace greenlane::runtime

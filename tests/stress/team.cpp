#include "stress/team.hpp"

#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stop_token>
#include <utility>

namespace greenlane::stress {

Watchdog::Watchdog(std::chrono::seconds patience)
    : patience_(patience), thread_([this](const std::stop_token& over) {
        constexpr auto kLook = std::chrono::milliseconds(200);
        std::unique_lock lock(mutex_);
        while (!over_.wait_for(lock, over, kLook, [] { return false; }) && !over.stop_requested())
          look(std::chrono::steady_clock::now());
      }) {}

std::shared_ptr<Watchdog::Watched> Watchdog::watch(std::string name) {
  auto watched = std::make_shared<Watched>(std::move(name));
  const std::scoped_lock lock(mutex_);
  watched_.push_back(watched);
  return watched;
}

void Watchdog::look(std::chrono::steady_clock::time_point now) {
  bool stands_still = false;
  std::string report;
  watched_.remove_if([](const auto& watched) { return watched.expired(); });
  for (const auto& weak : watched_) {
    const auto watched = weak.lock();
    if (!watched) continue;
    const auto steps = watched->steps_.load(std::memory_order_relaxed);
    if (std::exchange(watched->seen_, steps) != steps) watched->since_ = now;
    stands_still = stands_still || now - watched->since_ >= patience_;
    const auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(now - watched->since_);
    report += "\n  " + watched->name_ + ": " + std::to_string(steps) + " steps, the last " +
              std::to_string(idle.count()) + " ms ago";
  }
  if (!stands_still) return;
  std::fprintf(stderr, "gates_stress: FAILED: a thread makes no progress%s\n", report.c_str());
  // A thread that stands still cannot be joined, so nothing can be destroyed.
  std::_Exit(3);
}

Team::~Team() { (void)stop(); }

void Team::add(std::string name, std::function<bool()> turn) {
  threads_.emplace_back([this, name = std::move(name), turn = std::move(turn)] { work(name, turn); });
}

void Team::work(const std::string& name, const std::function<bool()>& turn) {
  // Linux delays the end of a thread's sleep by up to 50 us to save power, unless it is told not to. The runtime does
  // the same.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  const auto watched = watchdog_.watch(name);
  try {
    const detail::ContextScope scope(kernel_.context());
    while (!stopping_.load(std::memory_order_relaxed) && turn()) watched->step();
  } catch (const std::exception& error) {
    stopping_ = true;
    const std::scoped_lock lock(mutex_);
    failures_.push_back(name + ": " + error.what());
  }
}

std::vector<std::string> Team::finish() {
  threads_.clear();  // joins
  return std::exchange(failures_, {});
}

std::vector<std::string> Team::stop() {
  stopping_ = true;
  return finish();
}

}  // namespace greenlane::stress

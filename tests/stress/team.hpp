// Watched threads: a thread that stands still ends the program, which would hang otherwise.
#pragma once

#include "stress/work.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace greenlane::stress {

// Ends the program, with a message and status 3, when something watched has made no step for `patience`.
// Thread safety: all members.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::seconds patience);

  class Watched {
   public:
    explicit Watched(std::string name) : name_(std::move(name)) {}
    void step() noexcept { steps_.fetch_add(1, std::memory_order_relaxed); }

   private:
    friend class Watchdog;
    std::string name_;
    std::atomic<std::uint64_t> steps_{0};
    std::uint64_t seen_ = 0;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  };
  // Watches until the last handle goes.
  [[nodiscard]] std::shared_ptr<Watched> watch(std::string name);

 private:
  void look(std::chrono::steady_clock::time_point now);

  std::chrono::seconds patience_;
  std::mutex mutex_;
  std::condition_variable_any over_;
  std::list<std::weak_ptr<Watched>> watched_;
  std::jthread thread_;  // last, because it uses the others
};

// Threads that repeat their turns. An exception in one of them stops all and is kept.
// Thread safety: none.
class Team {
 public:
  Team(Watchdog& watchdog, const Kernel& kernel) : watchdog_(watchdog), kernel_(kernel) {}
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Calls `turn` until it returns false or the team is stopped.
  void add(std::string name, std::function<bool()> turn);
  // Waits until all have ended by themselves (finish), or stops them first (stop). Returns the failures.
  [[nodiscard]] std::vector<std::string> finish();
  [[nodiscard]] std::vector<std::string> stop();

 private:
  void work(const std::string& name, const std::function<bool()>& turn);

  Watchdog& watchdog_;
  const Kernel& kernel_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::string> failures_;
  std::vector<std::jthread> threads_;
};

}  // namespace greenlane::stress

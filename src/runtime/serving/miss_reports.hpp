// Hands misses to the program, on a thread of its own.
#pragma once

#include <greenlane/runtime/stats.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace greenlane::runtime {

// Thread safety: add() may be called from any thread. It never waits for the listener.
class MissReports {
 public:
  static constexpr std::size_t kMost = 1000;  // waiting for the listener; further ones are dropped

  explicit MissReports(std::function<void(const Miss&)> listener);
  // Ends the thread. Waits for a listener that is being called, but for a second at most.
  ~MissReports();
  MissReports(const MissReports&) = delete;
  MissReports& operator=(const MissReports&) = delete;
  void add(const Miss& miss);

 private:
  struct State {
    std::function<void(const Miss&)> listener;
    std::mutex mutex;  // guards the following members
    std::condition_variable changed;
    std::deque<Miss> waiting;
    bool is_ending = false;
    bool has_ended = false;
  };
  static void deliver(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;  // shared with the thread
  std::thread thread_;
};

}  // namespace greenlane::runtime

// Engines that consist of a chain of kernels.
#pragma once

#include "stress/scenarios.hpp"

#include <greenlane/detail/core/sliced_graph.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

namespace greenlane::stress {

// A limit beyond the watchdog's patience: no call is let go of, unless a scenario means it to be.
inline constexpr std::chrono::nanoseconds kNoLimit = std::chrono::minutes(1);

// A best-effort engine that runs back to back, one kernel a slice. Its slices are not measured, because that would run
// the parts out of order.
class BestEffort {
 public:
  BestEffort(const Setup& setup, GateWait wait)
      : lane_(Lane::create(setup.device)),
        chain_(setup.kernel, {}),
        graph_(chain_.capture(lane_), lane_, {.wait = wait}, /*measure=*/false),
        gate_(Gate::of(setup.device)) {
    if (!graph_.obstacle().empty()) throw std::runtime_error("a chain was not cut: " + graph_.obstacle());
  }
  void run() {
    graph_.run(*gate_, lane_);
    runs_.fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t runs() const noexcept { return runs_.load(std::memory_order_relaxed); }
  void check() const {
    lane_.synchronize();
    chain_.check(runs());
  }

 private:
  Lane lane_;
  Chain chain_;
  SlicedGraph graph_;
  std::shared_ptr<Gate> gate_;
  std::atomic<std::uint64_t> runs_{0};
};

// An urgent engine with two tiny kernels a call. A call waits for them.
class Urgent {
 public:
  Urgent(const Setup& setup, std::chrono::nanoseconds deadline)
      : lane_(Lane::create(setup.device, {.priority = -1})),
        chain_(setup.kernel, {.kernels = 2, .words = 1U << 14U, .repeats = 15}),
        graph_(chain_.capture(lane_)),
        engine_(setup.device, deadline) {}
  void call() {
    call_with([this] { graph_.launch(lane_.stream()); });
    lane_.synchronize();
    calls_.fetch_add(1, std::memory_order_relaxed);
  }
  // Makes a call that does other work and does not wait.
  template <typename Work>
  void call_with(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    auto call = engine_.enter(lane_.unit_set());
    closing_.push_back(std::chrono::steady_clock::now() - begin);
    work();
    call.enqueued(lane_.stream());
  }
  void expect() { engine_.expect(lane_.unit_set()); }
  [[nodiscard]] const Lane& lane() const noexcept { return lane_; }
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_.load(std::memory_order_relaxed); }
  // Returns how long each call took to close the gate.
  [[nodiscard]] const std::vector<std::chrono::nanoseconds>& closing() const noexcept { return closing_; }
  void check() const {
    lane_.synchronize();
    chain_.check(calls());
  }

 private:
  Lane lane_;
  Chain chain_;
  Graph graph_;
  UrgentEngine engine_;
  std::vector<std::chrono::nanoseconds> closing_;
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace greenlane::stress

// A small net of engines that compute numbers.
#pragma once

#include "runtime/edges/data_trigger.hpp"
#include "runtime/edges/edge_runs.hpp"
#include "support/edges.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// A source of numbers.
class NumberSource {
 public:
  explicit NumberSource(std::size_t index = 0) : index_(index) {}
  [[nodiscard]] const std::shared_ptr<Outlet>& outlet() const { return outlet_; }
  // Waits for room, and publishes. Returns the sequence number.
  std::uint64_t publish(std::uint64_t content, Clock::time_point published = Clock::now()) {
    (void)outlet_->wait_for_room(Clock::time_point::max());
    SourceItems items({.source = index_, .sequence = ++sequence_, .published = published});
    return outlet_->publish(numbers({content}), std::move(items), std::numeric_limits<std::uint64_t>::max())
        .value->sequence;
  }

 private:
  std::size_t index_;
  std::uint64_t sequence_ = 0;
  std::shared_ptr<Outlet> outlet_ = std::make_shared<Outlet>();
};

// An engine with its edges, one for each input of its model.
class NetEngine {
 public:
  NetEngine(const std::string& name, std::vector<EdgeOptions> edges, NumbersWorkload::Model model,
            EdgeRunOptions options = {})
      : engine_(std::make_shared<ServedEngine>(std::make_shared<NumbersWorkload>(std::move(model)),
                                               ServingOptions{.name = name})) {
    for (std::size_t i = 0; i < edges.size(); ++i) options.feeds.push_back({.edge = i, .output = 0});
    intake_ = std::make_shared<Intake>(std::move(edges));
    intake_->on_change(wakes(engine_));
    outlet_ = std::make_shared<Outlet>(wakes(engine_));
    runs_ = std::make_shared<EdgeRuns>(*engine_, intake_, outlet_, std::move(options));
  }
  ~NetEngine() {
    intake_->close();
    outlet_->close();
    (void)engine_->stop(Clock::time_point::max());
    engine_->refuse();
    (void)engine_->close(Clock::time_point::max());
  }
  NetEngine(const NetEngine&) = delete;
  NetEngine& operator=(const NetEngine&) = delete;

  // Returns a function that wakes the engine as long as it exists: others may still hand values to it while it goes.
  static std::function<void()> wakes(const std::shared_ptr<ServedEngine>& engine) {
    return [weak = std::weak_ptr(engine)] {
      if (const auto here = weak.lock()) here->wake();
    };
  }

  void start() { engine_->start(std::make_shared<DataTrigger>(runs_), std::chrono::nanoseconds(0)); }
  void take_from(const std::shared_ptr<Outlet>& producer, std::size_t edge) { producer->attach(intake_, edge); }
  [[nodiscard]] const std::shared_ptr<Intake>& intake() const { return intake_; }
  [[nodiscard]] const std::shared_ptr<Outlet>& outlet() const { return outlet_; }
  [[nodiscard]] EdgeRuns& runs() const { return *runs_; }
  [[nodiscard]] const std::shared_ptr<ServedEngine>& engine() const { return engine_; }
  [[nodiscard]] RunFigures figures() const {
    EngineStats stats;
    engine_->fill(stats, Clock::now());
    return stats.figures;
  }

 private:
  std::shared_ptr<ServedEngine> engine_;
  std::shared_ptr<Intake> intake_;
  std::shared_ptr<Outlet> outlet_;
  std::shared_ptr<EdgeRuns> runs_;
};

}  // namespace greenlane::runtime

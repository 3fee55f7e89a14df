// Runs an engine on the values of its edges.
#pragma once

#include "runtime/edges/intake.hpp"
#include "runtime/edges/outlet.hpp"
#include "runtime/edges/path_meter.hpp"
#include "runtime/serving/served_engine.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// How a run from edges ended.
enum class EdgeRun {
  done,
  not_ready,  // an edge has no value yet
  stale,      // the inputs are older than allowed
  failed,     // the engine threw
  blocked,    // a consumer's queue is full and blocks; only of run_if_room()
};

// Where an input of the model comes from.
struct FeedFrom {
  std::size_t edge = 0;
  std::size_t output = 0;  // of the producer
};

struct EdgeRunOptions {
  std::vector<FeedFrom> feeds{};  // one for each input of the model
  std::optional<std::chrono::nanoseconds> max_age{};
  std::vector<std::shared_ptr<PathMeter>> paths{};  // that end here
  bool keeps_last = false;
};

// Lifetime: refers to the engine.
// Thread safety: run() is called on the engine's thread, the others on any.
class EdgeRuns {
 public:
  EdgeRuns(ServedEngine& engine, std::shared_ptr<Intake> intake, std::shared_ptr<Outlet> outlet, EdgeRunOptions options)
      : engine_(engine), intake_(std::move(intake)), outlet_(std::move(outlet)), options_(std::move(options)) {}

  // Runs once, publishes the outputs, and counts. Skips the run if an input is missing or too old. `arrival`: the
  // latency counts from here. Early edges get the outputs while the device still works on them.
  struct Ran {
    EdgeRun how = EdgeRun::done;
    Clock::time_point arrival{};  // of the inputs, which the device may have written later than `arrival` said
    Clock::time_point start{};
    Clock::time_point end{};
    std::exception_ptr error{};
    SourceItems items{};  // in its inputs
  };
  Ran run(Clock::time_point arrival, Clock::time_point start);
  // As run(), unless a consumer's queue blocks.
  Ran run_if_room(Clock::time_point arrival, Clock::time_point start);
  // Waits until no consumer's queue blocks, but not beyond `until`. Returns whether none does.
  [[nodiscard]] bool wait_for_room(Clock::time_point until) const { return outlet_->wait_for_room(until); }
  // The values of the last run that gave outputs, if they are kept. Call it while nothing runs the engine.
  struct Last {
    Intake::Inputs inputs{};
    std::shared_ptr<const Payload> outputs{};  // null: there was no such run
  };
  [[nodiscard]] const Last& last() const noexcept { return last_; }
  // Runs the engine on the inputs of the last run once more. Counts nothing. Requires that there was one.
  [[nodiscard]] std::shared_ptr<const Payload> repeat_last() const;
  // Returns when the edges' new data made it run; absent: they do not, or a consumer's queue blocks.
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  // Returns whether all queues that its outputs go to have room, as far as they block.
  [[nodiscard]] bool has_room() const { return outlet_->has_room(); }
  [[nodiscard]] ServedEngine& engine() const noexcept { return engine_; }

 private:
  [[nodiscard]] std::shared_ptr<const Payload> begin(const Intake::Inputs& inputs) const;

  ServedEngine& engine_;
  std::shared_ptr<Intake> intake_;
  std::shared_ptr<Outlet> outlet_;
  EdgeRunOptions options_;
  Last last_;
};

}  // namespace greenlane::runtime

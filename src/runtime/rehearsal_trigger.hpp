// Runs one engine on its recorded inputs, at its rate or back to back, and records the results.
#pragma once

#include "runtime/edges/edge_runs.hpp"
#include "runtime/serving/served_engine.hpp"
#include "runtime/serving/ticks.hpp"
#include "runtime/serving/trigger.hpp"

#include <greenlane/detail/runtime/results.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <variant>

namespace greenlane::runtime {

// The most spans of each kind that a trace keeps for an engine. The trace of a long run of a fast engine would not fit
// in memory, and trace viewers do not cope with more either.
inline constexpr std::size_t kMostSpans = 200'000;

// The times of a rehearsal, the same for all engines.
struct Timetable {
  Clock::time_point begin;    // first arrival
  Clock::time_point measure;  // requests that arrive from here on count
  Clock::time_point end;
  // The time before an arrival at which the thread stops sleeping and spins, because waking up late would count as
  // latency. Zero on a CPU, where the engines share the cores.
  Nanoseconds spin{0};
  // The time before a known arrival at which an engine with a deadline closes the gate. If the arrival is not known
  // in advance, the gate closes at the arrival itself, even while another request is served.
  Nanoseconds early{0};
};

// The times of requests that come at random. They are the same in every rehearsal.
class RandomArrivals {
 public:
  RandomArrivals(const EngineConfig& engine, Clock::time_point begin);
  [[nodiscard]] Clock::time_point next() const noexcept { return next_; }
  // Takes one arrival. The following ones wait.
  void take();

 private:
  Nanoseconds period_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> interval_{1};
  Clock::time_point next_;
};

// The measured requests of one engine.
// Lifetime: refers to all arguments.
class RequestRecord {
 public:
  RequestRecord(ServedEngine& engine, const EngineConfig& config, const Timetable& timetable, bool trace,
                EngineResult& result);
  // Returns true if a request that arrived then is measured. Call it before the run: the first measured run begins with
  // the engine's first state.
  bool begin(Clock::time_point arrival);
  void served(Clock::time_point arrival, Clock::time_point start, Clock::time_point end, const SourceItems& items = {});
  void count(Nanoseconds latency);
  // Computes the rate.
  void finish(bool stopped);
  [[nodiscard]] EngineResult& result() const noexcept { return result_; }

 private:
  ServedEngine& engine_;
  const EngineConfig& config_;
  const Timetable& timetable_;
  const bool trace_;
  EngineResult& result_;
  bool is_measuring_ = false;  // a measured request has begun
};

// An engine's arrivals: the ticks of a timer, of which a late one stands for all that have passed; random requests,
// each of which is queued and counts with its whole wait; or none, and it runs back to back. Latencies count from the
// scheduled times. After the end, arrivals that came before it are served while they can meet their deadlines.
// `runs`: of an engine with edges; null: it runs on its recorded inputs.
// Lifetime: refers to all arguments.
class RehearsalTrigger final : public Trigger {
 public:
  RehearsalTrigger(ServedEngine& engine, const EngineConfig& config, const Timetable& timetable, bool trace,
                   EngineResult& result, std::shared_ptr<EdgeRuns> runs = {});
  [[nodiscard]] std::optional<Clock::time_point> next() override;
  void run(Clock::time_point start) override;
  // Counts the arrivals that were not served. Call it once, when the engine no longer follows this trigger.
  // `stopped`: the rehearsal ended early.
  void finish(bool stopped);

 private:
  struct BackToBack {
    Clock::time_point next_;
    [[nodiscard]] Clock::time_point next() const noexcept { return next_; }
  };
  using Arrivals = std::variant<BackToBack, Ticks, RandomArrivals>;
  [[nodiscard]] static Arrivals arrivals_of(const EngineConfig& config, Clock::time_point begin);
  [[nodiscard]] Clock::time_point next_arrival() const;
  // Takes the arrival at next_arrival(), which is served from `start` on. Returns the number of skipped ticks.
  std::uint64_t take(Clock::time_point start);
  // Closes the gate for the next arrival.
  void announce();
  // Runs the engine once.
  EdgeRuns::Ran run_once(Clock::time_point scheduled, Clock::time_point start);
  // Counts skipped ticks, the first of which was at `first`, as far as they are measured.
  void count_skipped(Clock::time_point first, std::uint64_t ticks);

  ServedEngine& engine_;
  const EngineConfig& config_;
  const Timetable& timetable_;
  EngineResult& result_;
  RequestRecord record_;
  std::shared_ptr<EdgeRuns> runs_;
  Nanoseconds period_;  // zero: back to back
  Nanoseconds early_;
  Arrivals arrivals_;
};

// Runs an engine when its edges have new data, and records the results. Latencies count from the arrival of that data.
// Lifetime: refers to all arguments.
class DataRehearsalTrigger final : public Trigger {
 public:
  DataRehearsalTrigger(std::shared_ptr<EdgeRuns> runs, const EngineConfig& config, const Timetable& timetable,
                       bool trace, EngineResult& result)
      : runs_(std::move(runs)), timetable_(timetable), record_(runs_->engine(), config, timetable, trace, result) {}
  [[nodiscard]] std::optional<Clock::time_point> next() override;
  void run(Clock::time_point start) override;
  // As RehearsalTrigger's.
  void finish(bool stopped) { record_.finish(stopped); }

 private:
  std::shared_ptr<EdgeRuns> runs_;
  const Timetable& timetable_;
  RequestRecord record_;
};

}  // namespace greenlane::runtime

// The scenario with many engines at once.
#include "stress/engines.hpp"
#include "stress/outcome.hpp"

#include <deque>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::stress {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Json many(const Setup& setup, std::chrono::seconds duration, GateWait wait) {
  constexpr int kBestEffort = 32;
  constexpr int kUrgent = 8;
  constexpr double kRate = 50;  // a second, each
  Outcome outcome;
  const auto gate = Gate::of(setup.device);
  std::deque<BestEffort> best;
  for (int i = 0; i < kBestEffort; ++i) best.emplace_back(setup, wait);
  std::deque<Urgent> urgent;
  for (int i = 0; i < kUrgent; ++i) urgent.emplace_back(setup, kNoLimit);
  std::vector<std::vector<std::chrono::nanoseconds>> latencies(kUrgent);

  gate->reset_report();
  const auto begin = Clock::now();
  Team threads(setup.watchdog, *setup.kernel);
  for (int i = 0; i < kBestEffort; ++i) {
    auto& engine = best[static_cast<std::size_t>(i)];
    threads.add("best effort " + std::to_string(i), [&engine, end = begin + duration] {
      engine.run();
      return Clock::now() < end;
    });
  }
  for (int i = 0; i < kUrgent; ++i) {
    auto& engine = urgent[static_cast<std::size_t>(i)];
    auto& latency = latencies[static_cast<std::size_t>(i)];
    // Arrivals come whether or not the engine is ready, and every latency counts from its arrival.
    const auto turn = [&, end = begin + duration, arrival = begin, random = std::mt19937_64(static_cast<unsigned>(i)),
                       interval = std::exponential_distribution<double>(kRate)]() mutable {
      arrival += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(interval(random)));
      if (arrival >= end) return false;
      std::this_thread::sleep_until(arrival);
      engine.call();
      latency.push_back(Clock::now() - arrival);
      return true;
    };
    threads.add("urgent " + std::to_string(i), turn);
  }
  outcome.add(threads.finish());
  const auto report = gate->report();

  Json runs = Json::array();
  for (const auto& engine : best) {
    runs.push_back(engine.runs());
    outcome.check("best effort " + std::to_string(runs.size() - 1), engine);
  }
  Json calls = Json::array();
  for (const auto& engine : urgent) {
    const auto i = calls.size();
    calls.push_back(
        {{"calls", engine.calls()}, {"latency", quantiles(latencies[i])}, {"closing", quantiles(engine.closing())}});
    outcome.check("urgent " + std::to_string(i), engine);
    outcome.expect(engine.calls() > 0, "urgent " + std::to_string(i) + " was never called");
  }
  outcome.expect(report.limits_hit == 0, "the gate gave up on a call before it ended");
  return std::move(outcome).with({{"seconds", duration.count()},
                                  {"wait", wait == GateWait::spin ? "spin" : "block"},
                                  {"urgent_rate_hz", kRate},
                                  {"urgent", calls},
                                  {"best_effort_runs", runs},
                                  {"gate", describe(report)}});
}

}  // namespace greenlane::stress

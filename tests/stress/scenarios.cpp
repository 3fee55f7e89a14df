#include "stress/scenarios.hpp"

#include "stress/engines.hpp"
#include "stress/outcome.hpp"

#include <atomic>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace greenlane::stress {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

void spin_for(std::chrono::nanoseconds time) {
  for (const auto end = Clock::now() + time; Clock::now() < end;) continue;
}

// Two best-effort engines, one for each way to wait, and their threads.
class Others {
 public:
  explicit Others(const Setup& setup)
      : spins_(setup, GateWait::spin), sleeps_(setup, GateWait::block), team_(setup.watchdog, *setup.kernel) {
    team_.add("best effort that spins", [this] { return spins_.run(), true; });
    team_.add("best effort that sleeps", [this] { return sleeps_.run(), true; });
  }
  void stop(Outcome& outcome) {
    outcome.add(team_.stop());
    outcome.check("best effort that spins", spins_);
    outcome.check("best effort that sleeps", sleeps_);
    outcome.expect(spins_.runs() > 0 && sleeps_.runs() > 0, "a best-effort engine never ran");
  }
  [[nodiscard]] Json runs() const { return {{"spins", spins_.runs()}, {"sleeps", sleeps_.runs()}}; }
  [[nodiscard]] const BestEffort& spins() const noexcept { return spins_; }
  [[nodiscard]] const BestEffort& sleeps() const noexcept { return sleeps_; }

 private:
  BestEffort spins_;
  BestEffort sleeps_;
  Team team_;
};

// A valve that holds a stream until it is opened.
class Valve {
 public:
  ~Valve() { open(); }
  void open() noexcept {
    open_ = true;
    open_.notify_all();
  }
  static void CUDA_CB pass(void* valve) { static_cast<Valve*>(valve)->open_.wait(false); }

 private:
  std::atomic<bool> open_{false};
};

}  // namespace

Json passes(const Setup& setup, std::uint64_t calls) {
  Outcome outcome;
  const auto gate = Gate::of(setup.device);
  std::deque<Urgent> engines;
  for (int i = 0; i < 2; ++i) engines.emplace_back(setup, kNoLimit);
  Others others(setup);
  gate->reset_report();
  const auto begin = Clock::now();
  std::atomic<std::uint64_t> begun{0};
  Team urgent(setup.watchdog, *setup.kernel);
  unsigned int seed = 0;
  for (auto& engine : engines) {
    const auto turn = [&, random = std::minstd_rand(++seed)]() mutable {
      if (begun.fetch_add(1, std::memory_order_relaxed) >= calls) return false;
      engine.call();
      spin_for(std::chrono::nanoseconds(random() % 30'000));  // otherwise best effort would have no turn at all
      return true;
    };
    urgent.add("urgent", turn);
  }
  outcome.add(urgent.finish());
  const std::chrono::duration<double> seconds = Clock::now() - begin;
  others.stop(outcome);
  const auto report = gate->report();
  std::vector<std::chrono::nanoseconds> closing;
  for (const auto& engine : engines) {
    outcome.check("urgent", engine);
    closing.insert(closing.end(), engine.closing().begin(), engine.closing().end());
  }
  outcome.expect(report.passes == calls, "the gate was not closed once for each call");
  outcome.expect(report.limits_hit == 0, "the gate gave up on a call before it ended");
  return std::move(outcome).with({{"calls", calls},
                                  {"seconds", seconds.count()},
                                  {"passes_per_s", static_cast<double>(calls) / seconds.count()},
                                  {"closing", quantiles(std::move(closing))},
                                  {"best_effort_runs", others.runs()},
                                  {"gate", describe(report)}});
}

Json throws(const Setup& setup, std::uint64_t times) {
  Outcome outcome;
  const auto gate = Gate::of(setup.device);
  Urgent engine(setup, kNoLimit);
  Others others(setup);
  gate->reset_report();
  std::uint64_t thrown = 0;
  std::uint64_t left_closed = 0;
  std::uint64_t turns = 0;
  Team urgent(setup.watchdog, *setup.kernel);
  urgent.add("urgent that throws", [&] {
    if (turns++ == times) return false;
    if (turns % 2 == 0) engine.expect();
    try {
      engine.call_with([] { throw std::runtime_error("the work of an urgent engine failed"); });
    } catch (const std::runtime_error&) {
      ++thrown;
    }
    if (!gate->is_open(engine.lane().unit_set())) ++left_closed;
    if (turns % 10 == 0) engine.call();  // it goes on as if nothing had happened
    spin_for(50us);
    return true;
  });
  outcome.add(urgent.finish());
  others.stop(outcome);
  outcome.check("urgent that throws", engine);
  const auto report = gate->report();
  outcome.expect(thrown == times, "a call did not throw what its work threw");
  outcome.expect(left_closed == 0, "the gate stayed closed after a call that threw");
  outcome.expect(report.limits_hit == 0, "the gate gave up on a call before it ended");
  return std::move(outcome).with({{"thrown", thrown},
                                  {"left_closed", left_closed},
                                  {"calls_between", engine.calls()},
                                  {"best_effort_runs", others.runs()},
                                  {"gate", describe(report)}});
}

Json never_ends(const Setup& setup) {
  constexpr auto kDeadline = 10ms;
  constexpr auto kLimit = UrgentEngine::kMostDeadlines * kDeadline;
  Outcome outcome;
  const auto gate = Gate::of(setup.device);
  Valve valve;
  Urgent stuck(setup, kDeadline);
  Urgent other(setup, kDeadline);
  Others others(setup);
  Team urgent(setup.watchdog, *setup.kernel);
  const struct Opener {  // goes first, because nothing can be destroyed while a stream waits
    Valve& valve;
    ~Opener() { valve.open(); }
  } opener{valve};
  urgent.add("urgent beside a stuck engine", [&] {
    other.call();
    std::this_thread::sleep_for(2ms);
    return true;
  });
  std::this_thread::sleep_for(200ms);

  gate->reset_report();
  const detail::ContextScope scope(setup.kernel->context());
  stuck.call_with([&] { setup.kernel->call_host(stuck.lane().stream(), Valve::pass, &valve); });
  const auto runs = [&] {
    return Json{{"urgent", other.calls()}, {"spins", others.spins().runs()}, {"sleeps", others.sleeps().runs()}};
  };
  const auto at_once = runs();
  std::this_thread::sleep_for(20 * kLimit);
  const auto early = runs();
  std::this_thread::sleep_for(20 * kLimit);
  const auto late = runs();
  valve.open();
  stuck.lane().synchronize();
  stuck.call();  // it works again
  outcome.add(urgent.stop());
  others.stop(outcome);
  outcome.check("urgent beside a stuck engine", other);
  outcome.check("stuck urgent engine", stuck);
  const auto report = gate->report();
  for (const auto& [name, count] : late.items())
    outcome.expect(count > early[name], name + " did not go on beside a call that does not end");
  outcome.expect(report.limits_hit == 1, "the gate gave up on another number of calls than the one that never ends");
  outcome.expect(report.longest_held >= kLimit / 2, "best effort was not held");
  outcome.expect(report.longest_held <= 20 * kLimit, "best effort was held for much longer than the limit");
  return std::move(outcome).with({{"limit_ms", milliseconds(kLimit)},
                                  {"held_ms", milliseconds(report.longest_held)},
                                  {"done_when_stuck", at_once},
                                  {"done_after_20_limits", early},
                                  {"done_after_40_limits", late},
                                  {"gate", describe(report)}});
}

}  // namespace greenlane::stress

#include "runtime/engine_loop.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <thread>

namespace greenlane::runtime {
namespace {

// Waits until `time`. Returns false if the run is stopped first. Sleeps in short steps to notice a stop.
bool wait_until(Clock::time_point time, Nanoseconds spin, const std::atomic<bool>& stop) {
  constexpr auto step = std::chrono::milliseconds(50);
  while (!stop.load(std::memory_order_relaxed)) {
    const auto now = Clock::now();
    if (now >= time) return true;
    if (time - now > spin) std::this_thread::sleep_until(std::min(time - spin, now + step));
  }
  return false;
}

class Recorder {
 public:
  Recorder(const EngineConfig& engine, const Timetable& timetable, bool trace, EngineResult& result)
      : deadline_(engine.deadline), timetable_(timetable), trace_(trace), result_(result) {
    if (trace_) result_.spans.reserve(1024);
  }

  void served(Clock::time_point scheduled, Clock::time_point start, Clock::time_point end) {
    if (scheduled < timetable_.measure) return;
    count(end - scheduled);
    if (trace_ && result_.spans.size() < kMostSpans) {
      result_.spans.push_back({scheduled - timetable_.measure, start - timetable_.measure, end - timetable_.measure});
    }
  }

  void unserved(Clock::time_point scheduled, Clock::time_point end) {
    if (scheduled < timetable_.measure) return;
    ++result_.unserved;
    count(end - scheduled);
    if (!deadline_ || end - scheduled <= *deadline_)
      ++result_.misses;  // counted as a miss even if it is not late yet: it was not served
  }

 private:
  void count(Nanoseconds latency) {
    ++result_.requests;
    result_.latency.record(latency);
    if (deadline_ && latency > *deadline_) ++result_.misses;
  }

  std::optional<Nanoseconds> deadline_;
  const Timetable& timetable_;
  bool trace_;
  EngineResult& result_;
};

// Finds the first measured request, before which the engine's state is reset.
class FirstMeasured {
 public:
  explicit FirstMeasured(Clock::time_point measure) : measure_(measure) {}
  [[nodiscard]] bool is_now(Clock::time_point scheduled) {
    if (seen_ || scheduled < measure_) return false;
    seen_ = true;
    return true;
  }

 private:
  Clock::time_point measure_;
  bool seen_ = false;
};

// The times of an engine's arrivals, which are the same in every run.
class ArrivalTimes {
 public:
  ArrivalTimes(const EngineConfig& engine, Clock::time_point begin)
      : period_(engine.period.value()),
        arrivals_(engine.arrivals),
        random_(std::hash<std::string>()(engine.name)),
        next_(begin) {}
  [[nodiscard]] Clock::time_point next() const noexcept { return next_; }
  void advance() {
    const double share = arrivals_ == Arrivals::poisson ? interval_(random_) : 1;
    next_ += Nanoseconds(static_cast<Nanoseconds::rep>(share * static_cast<double>(period_.count())));
  }

 private:
  Nanoseconds period_;
  Arrivals arrivals_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> interval_{1};
  Clock::time_point next_;
};

// Serves requests at their arrivals, whether or not the engine is ready. An engine that falls behind serves its backlog
// at once, and every latency counts from the scheduled time. After the end, requests that have already arrived are
// served while they can meet their deadlines.
void run_at_arrivals(Workload& workload, const EngineConfig& engine, const Timetable& timetable,
                     const std::atomic<bool>& stop, Recorder& recorder) {
  const auto deadline = engine.deadline.value_or(engine.period.value());
  // An early close takes at most an eighth of a period, so best effort keeps most of the time between two calls.
  constexpr int kMostEarly = 8;
  const auto early = engine.deadline && engine.arrivals == Arrivals::periodic
                         ? std::min(timetable.early, engine.period.value() / kMostEarly)
                         : Nanoseconds(0);
  // Requests that do not count would change hidden state before the measured ones.
  ArrivalTimes arrivals(engine, workload.may_be_warmed_up() ? timetable.begin : timetable.measure);
  FirstMeasured first(timetable.measure);
  const auto announce = [&] {
    if (engine.deadline && arrivals.next() < timetable.end) workload.expect(arrivals.next() - early);
  };
  announce();
  while (arrivals.next() < timetable.end) {
    const auto arrival = arrivals.next();
    if (!wait_until(arrival, timetable.spin, stop)) break;
    const auto start = Clock::now();
    if (start >= timetable.end && start - arrival >= deadline) break;
    arrivals.advance();
    announce();
    if (first.is_now(arrival)) workload.reset_state();
    workload.run();
    recorder.served(arrival, start, Clock::now());
  }
  const auto now = Clock::now();
  for (; arrivals.next() < std::min(now, timetable.end); arrivals.advance()) recorder.unserved(arrivals.next(), now);
}

void run_back_to_back(Workload& workload, const Timetable& timetable, const std::atomic<bool>& stop,
                      Recorder& recorder) {
  if (!wait_until(workload.may_be_warmed_up() ? timetable.begin : timetable.measure, timetable.spin, stop)) return;
  FirstMeasured first(timetable.measure);
  for (auto start = Clock::now(); start < timetable.end && !stop.load(std::memory_order_relaxed);) {
    if (first.is_now(start)) workload.reset_state();
    workload.run();
    const auto end = Clock::now();
    recorder.served(start, start, end);
    start = end;
  }
}

}  // namespace

void run_engine(Workload& workload, const EngineConfig& engine, const Timetable& timetable,
                const std::atomic<bool>& stop, bool trace, EngineResult& result) {
  // Linux delays the end of a thread's sleep by up to 50 us to save power, unless it is told not to.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  Recorder recorder(engine, timetable, trace, result);
  try {
    if (engine.period) {
      run_at_arrivals(workload, engine, timetable, stop, recorder);
    } else {
      run_back_to_back(workload, timetable, stop, recorder);
    }
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  const bool whole = result.error.empty() && !stop;
  const auto end = whole ? timetable.end : std::min(Clock::now(), timetable.end);
  const double seconds = std::chrono::duration<double>(end - timetable.measure).count();
  if (seconds > 0) result.rate_hz = static_cast<double>(result.requests - result.unserved) / seconds;
}

}  // namespace greenlane::runtime

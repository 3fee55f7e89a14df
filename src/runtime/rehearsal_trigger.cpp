#include "runtime/rehearsal_trigger.hpp"

#include "runtime/serving/error_text.hpp"

#include <algorithm>
#include <functional>
#include <string>

namespace greenlane::runtime {
namespace {

// An early close takes at most an eighth of a period, so best effort keeps most of the time between two calls.
constexpr int kMostEarly = 8;

}  // namespace

RandomArrivals::RandomArrivals(const EngineConfig& engine, Clock::time_point begin)
    : period_(engine.period.value()), random_(std::hash<std::string>()(engine.name)), next_(begin) {}

void RandomArrivals::take() {
  next_ += Nanoseconds(static_cast<Nanoseconds::rep>(interval_(random_) * static_cast<double>(period_.count())));
}

RehearsalTrigger::RehearsalTrigger(ServedEngine& engine, const EngineConfig& config, const Timetable& timetable,
                                   bool trace, EngineResult& result)
    : engine_(engine),
      config_(config),
      timetable_(timetable),
      trace_(trace),
      result_(result),
      period_(config.period.value_or(Nanoseconds(0))),
      early_(config.deadline && config.arrivals == ::greenlane::Arrivals::periodic
                 ? std::min(timetable.early, period_ / kMostEarly)
                 : Nanoseconds(0)),
      // Requests that do not count would change hidden state before the measured ones.
      arrivals_(arrivals_of(config, engine.workload().may_be_warmed_up() ? timetable.begin : timetable.measure)) {
  if (trace_) result_.spans.reserve(1024);
  announce();
}

RehearsalTrigger::Arrivals RehearsalTrigger::arrivals_of(const EngineConfig& config, Clock::time_point begin) {
  if (!config.period) return BackToBack{begin};
  if (config.arrivals == ::greenlane::Arrivals::poisson) return RandomArrivals(config, begin);
  return Ticks(begin, *config.period);
}

Clock::time_point RehearsalTrigger::next_arrival() const {
  return std::visit([](const auto& arrivals) { return arrivals.next(); }, arrivals_);
}

std::uint64_t RehearsalTrigger::take(Clock::time_point start) {
  if (auto* ticks = std::get_if<Ticks>(&arrivals_)) return ticks->take(start, timetable_.end);
  if (auto* random = std::get_if<RandomArrivals>(&arrivals_)) random->take();
  return 0;
}

void RehearsalTrigger::announce() {
  if (config_.deadline && next_arrival() < timetable_.end) engine_.workload().expect(next_arrival() - early_);
}

std::optional<Clock::time_point> RehearsalTrigger::next() {
  if (!engine_.is_serving() || !result_.error.empty()) return std::nullopt;
  const auto arrival = next_arrival();
  if (arrival >= timetable_.end) return std::nullopt;
  const auto now = Clock::now();
  if (now < timetable_.end) return arrival;
  if (!config_.period) return std::nullopt;
  if (now - arrival >= config_.deadline.value_or(*config_.period)) return std::nullopt;
  return arrival;
}

void RehearsalTrigger::run(Clock::time_point start) {
  const auto scheduled = config_.period ? next_arrival() : start;
  const bool is_measured = scheduled >= timetable_.measure;
  const auto before = next_arrival();
  const auto skipped = take(start);
  if (skipped > 0) {
    engine_.count_skipped(skipped, start - before);
    count_skipped(before + period_, skipped);
  }
  announce();
  if (is_measured && !is_measuring_) {
    is_measuring_ = true;
    engine_.workload().reset_state();
  }
  const auto [end, error] = engine_.run_triggered(scheduled, [this] { engine_.workload().run(); });
  if (error) {
    result_.error = text_of(error);
  } else if (is_measured) {
    served(scheduled, start, end);
  }
  if (auto* back_to_back = std::get_if<BackToBack>(&arrivals_)) back_to_back->next_ = end;
}

void RehearsalTrigger::served(Clock::time_point scheduled, Clock::time_point start, Clock::time_point end) {
  count(end - scheduled);
  if (trace_ && result_.spans.size() < kMostSpans)
    result_.spans.push_back({scheduled - timetable_.measure, start - timetable_.measure, end - timetable_.measure});
}

void RehearsalTrigger::count(Nanoseconds latency) {
  ++result_.requests;
  result_.latency.record(latency);
  if (config_.deadline && latency > *config_.deadline) ++result_.misses;
}

void RehearsalTrigger::count_skipped(Clock::time_point first, std::uint64_t ticks) {
  if (first < timetable_.measure) {
    const auto before = static_cast<std::uint64_t>((timetable_.measure - first + period_ - Nanoseconds(1)) / period_);
    ticks -= std::min(ticks, before);
  }
  result_.requests += ticks;
  result_.skipped += ticks;
  result_.misses += ticks;
}

void RehearsalTrigger::finish(bool stopped) {
  const auto now = Clock::now();
  if (config_.period) {
    const auto until = std::min(now, timetable_.end);
    while (next_arrival() < until) {
      const auto scheduled = next_arrival();
      (void)take(scheduled);
      if (scheduled < timetable_.measure) continue;
      ++result_.unserved;
      count(now - scheduled);
      // Counted as a miss even if it is not late yet: it was not served.
      if (!config_.deadline || now - scheduled <= *config_.deadline) ++result_.misses;
    }
  }
  const bool whole = result_.error.empty() && !stopped;
  const auto end = whole ? timetable_.end : std::min(now, timetable_.end);
  const double seconds = std::chrono::duration<double>(end - timetable_.measure).count();
  if (seconds > 0)
    result_.rate_hz = static_cast<double>(result_.requests - result_.unserved - result_.skipped) / seconds;
}

}  // namespace greenlane::runtime

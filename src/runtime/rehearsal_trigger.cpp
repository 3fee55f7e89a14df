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

RequestRecord::RequestRecord(ServedEngine& engine, const EngineConfig& config, const Timetable& timetable, bool trace,
                             EngineResult& result)
    : engine_(engine), config_(config), timetable_(timetable), trace_(trace), result_(result) {
  if (trace_) result_.spans.reserve(1024);
}

bool RequestRecord::begin(Clock::time_point arrival) {
  if (arrival < timetable_.measure) return false;
  if (!is_measuring_) engine_.workload().reset_state();
  is_measuring_ = true;
  return true;
}

void RequestRecord::served(Clock::time_point arrival, Clock::time_point start, Clock::time_point end,
                           const SourceItems& items) {
  count(end - arrival);
  if (!trace_ || result_.spans.size() >= kMostSpans) return;
  const auto origin = timetable_.measure;
  auto& span = result_.spans.emplace_back(
      RequestSpan{.scheduled = arrival - origin, .start = start - origin, .end = end - origin});
  for (const auto& item : items.all()) span.items.push_back({.source = item.source, .sequence = item.sequence});
}

void RequestRecord::count(Nanoseconds latency) {
  ++result_.requests;
  result_.latency.record(latency);
  if (config_.deadline && latency > *config_.deadline) ++result_.misses;
}

void RequestRecord::finish(bool stopped) {
  const bool whole = result_.error.empty() && !stopped;
  const auto end = whole ? timetable_.end : std::min(Clock::now(), timetable_.end);
  const double seconds = std::chrono::duration<double>(end - timetable_.measure).count();
  if (seconds > 0)
    result_.rate_hz = static_cast<double>(result_.requests - result_.unserved - result_.skipped) / seconds;
}

RehearsalTrigger::RehearsalTrigger(ServedEngine& engine, const EngineConfig& config, const Timetable& timetable,
                                   bool trace, EngineResult& result, std::shared_ptr<EdgeRuns> runs)
    : engine_(engine),
      config_(config),
      timetable_(timetable),
      result_(result),
      record_(engine, config, timetable, trace, result),
      runs_(std::move(runs)),
      period_(config.period.value_or(Nanoseconds(0))),
      early_(config.deadline && config.arrivals == ::greenlane::Arrivals::periodic
                 ? std::min(timetable.early, period_ / kMostEarly)
                 : Nanoseconds(0)),
      // Requests that do not count would change hidden state before the measured ones.
      arrivals_(arrivals_of(config, engine.workload().may_be_warmed_up() ? timetable.begin : timetable.measure)) {
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
  if (runs_ && !runs_->has_room()) return now < timetable_.end ? std::optional(timetable_.end) : std::nullopt;
  if (now < timetable_.end) return arrival;
  if (!config_.period) return std::nullopt;
  if (now - arrival >= config_.deadline.value_or(*config_.period)) return std::nullopt;
  return arrival;
}

EdgeRuns::Ran RehearsalTrigger::run_once(Clock::time_point scheduled, Clock::time_point start) {
  if (runs_) return runs_->run(scheduled, start);
  const auto [end, error] = engine_.run_triggered(scheduled, [this] { engine_.workload().run(); });
  return {.how = error ? EdgeRun::failed : EdgeRun::done,
          .arrival = scheduled,
          .start = start,
          .end = end,
          .error = error,
          .items = {}};
}

void RehearsalTrigger::run(Clock::time_point start) {
  if (runs_ && !runs_->has_room()) return;  // the rehearsal ends
  const auto scheduled = config_.period ? next_arrival() : start;
  const auto before = next_arrival();
  const auto skipped = take(start);
  if (skipped > 0) {
    engine_.count_skipped(skipped, start - before);
    count_skipped(before + period_, skipped);
  }
  announce();
  const bool is_measured = record_.begin(scheduled);
  const auto ran = run_once(scheduled, start);
  if (ran.error) {
    result_.error = text_of(ran.error);
  } else if (is_measured && ran.how == EdgeRun::done) {
    record_.served(ran.arrival, ran.start, ran.end, ran.items);
  }
  if (auto* back_to_back = std::get_if<BackToBack>(&arrivals_)) back_to_back->next_ = ran.end;
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
      record_.count(now - scheduled);
      // Counted as a miss even if it is not late yet: it was not served.
      if (!config_.deadline || now - scheduled <= *config_.deadline) ++result_.misses;
    }
  }
  record_.finish(stopped);
}

std::optional<Clock::time_point> DataRehearsalTrigger::next() {
  if (!runs_->engine().is_serving() || !record_.result().error.empty()) return std::nullopt;
  if (Clock::now() >= timetable_.end) return std::nullopt;
  return runs_->due().value_or(timetable_.end);
}

void DataRehearsalTrigger::run(Clock::time_point start) {
  const auto due = runs_->due();
  if (!due) return;  // the rehearsal ends
  const bool is_measured = record_.begin(*due);
  const auto ran = runs_->run(*due, start);
  if (ran.error) {
    record_.result().error = text_of(ran.error);
  } else if (is_measured && ran.how == EdgeRun::done) {
    record_.served(ran.arrival, ran.start, ran.end, ran.items);
  }
}

}  // namespace greenlane::runtime

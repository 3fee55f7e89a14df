#include "runtime/memory_use.hpp"
#include "runtime/placed_pipeline.hpp"
#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

namespace greenlane::runtime {
namespace {

using std::chrono::milliseconds;

EngineResult describe(const EngineConfig& engine, const Lane& lane, const PlacedPipeline::WarmUp& warm_up) {
  EngineResult result;
  result.name = engine.name;
  result.lane = engine.lane;
  result.units = lane.units().count;
  if (const auto partition = lane.partition()) result.cpus.assign(partition->cpus().begin(), partition->cpus().end());
  result.deadline = engine.deadline;
  if (warm_up.is_checked) result.checked = warm_up.difference.empty();
  return result;
}

// Checks the outputs of the last measured run, which was made beside all other engines. Leaves out engines with state,
// because nobody knows their right outputs after so many runs.
void check_again(ServedEngine& engine, EngineResult& result) {
  auto& workload = engine.workload();
  if (workload.has_state()) return;
  if (!result.checked || !*result.checked || !result.error.empty() || result.requests == result.unserved) return;
  engine.run_on_thread([&] { result.error = workload.check(); });
  result.checked = result.error.empty();
}

std::vector<Span> since(Clock::time_point begin, const std::vector<TimeSpan>& spans) {
  std::vector<Span> relative;
  for (const auto& span : spans) {
    if (span.begin >= begin) relative.push_back({.begin = span.begin - begin, .end = span.end - begin});
  }
  return relative;
}

// Shows progress until the end. Calls `at_begin` when the measurement begins, because caches and workspaces grow until
// then.
void watch(const Timetable& timetable, const RunOptions& options, const std::atomic<bool>& stop,
           const std::function<void()>& at_begin) {
  const auto step = [&](Clock::time_point until) {
    std::this_thread::sleep_until(std::min(Clock::now() + milliseconds(100), until));
  };
  while (!stop && Clock::now() < timetable.measure) step(timetable.measure);
  at_begin();
  const std::chrono::duration<double> whole = timetable.end - timetable.measure;
  while (!stop && Clock::now() < timetable.end) {
    step(timetable.end);
    const std::chrono::duration<double> over = Clock::now() - timetable.measure;
    if (options.progress) options.progress(std::clamp(over / whole, 0.0, 1.0));
  }
}

// The engines of a rehearsal, each with its trigger.
class Players {
 public:
  Players(LoadedPipeline& pipeline, const Timetable& timetable, bool trace, ModeResult& result)
      : pipeline_(pipeline), triggers_(pipeline.engines().size()) {
    for (std::size_t i = 0; i < triggers_.size(); ++i) {
      const auto& engine = pipeline.engines()[i];
      if (!result.engines[i].error.empty()) continue;  // its warm-up threw
      triggers_[i] = std::make_shared<RehearsalTrigger>(*engine, pipeline.config().engines[i], timetable, trace,
                                                        result.engines[i]);
    }
    for (std::size_t i = 0; i < triggers_.size(); ++i) {
      if (triggers_[i]) pipeline.engines()[i]->start(triggers_[i], timetable.spin);
    }
  }
  ~Players() { stop(); }
  Players(const Players&) = delete;
  Players& operator=(const Players&) = delete;

  void stop() noexcept {
    for (const auto& engine : pipeline_.engines()) (void)engine->stop(Clock::time_point::max());
  }
  // Waits until all have played to their end, and counts what they left out.
  void finish(const std::atomic<bool>& is_stopped) {
    for (std::size_t i = 0; i < triggers_.size(); ++i) {
      auto& engine = *pipeline_.engines()[i];
      while (!engine.wait_for_trigger(milliseconds(50))) {
        if (is_stopped) stop();
      }
      if (triggers_[i]) triggers_[i]->finish(is_stopped);
    }
  }

 private:
  LoadedPipeline& pipeline_;
  std::vector<std::shared_ptr<RehearsalTrigger>> triggers_;
};

}  // namespace

ModeResult rehearse(LoadedPipeline& pipeline, Mode mode, const RunOptions& options) {
  static const std::atomic<bool> never{false};
  const auto& stop = options.stop ? *options.stop : never;
  using Logs = PlacedPipeline::Logs;
  PlacedPipeline placed(pipeline, mode, options.trace ? Logs::kept : Logs::none);
  const bool on_gpu = pipeline.device().id().kind == DeviceKind::cuda;

  ModeResult result;
  result.mode = mode;
  const auto warm_ups = placed.warm_up(options.check, stop);
  for (std::size_t i = 0; i < warm_ups.size(); ++i) {
    result.engines.push_back(describe(pipeline.config().engines[i], placed.lane_of(i), warm_ups[i]));
    result.engines.back().error = warm_ups[i].error;
  }

  if (options.before) options.before();
  Timetable timetable;
  timetable.begin = Clock::now() + milliseconds(5);
  timetable.measure = timetable.begin + options.warm_up;
  timetable.end = timetable.measure + options.duration;
  if (on_gpu) {
    timetable.early = placed.longest_wait();
    timetable.spin = options.spin;
  }

  const auto device = pipeline.device().id();
  const auto gate = Gate::of(pipeline.device());
  {
    Players players(pipeline, timetable, options.trace, result);
    watch(timetable, options, stop, [&] {
      result.memory_before = memory_use(device);
      gate->reset_report();
      if (placed.passes()) placed.passes()->clear();
      for (std::size_t i = 0; i < result.engines.size(); ++i) {
        if (placed.role_of(i).log) placed.role_of(i).log->clear();
      }
    });
    if (stop) players.stop();
    players.finish(stop);
  }
  if (options.after) options.after();
  result.begin = timetable.measure;
  result.spin = timetable.spin;
  if (placed.has_gates() || mode == Mode::gates) result.gate = gate->report();
  for (const auto& [on_device, of_device] : placed.gates()) of_device->set_log(nullptr);
  if (placed.passes()) result.passes = since(timetable.measure, placed.passes()->spans());
  result.memory_after = memory_use(device);
  result.stopped_early = stop;
  result.measured = std::max(Nanoseconds(0), Nanoseconds(std::min(Clock::now(), timetable.end) - timetable.measure));
  for (std::size_t i = 0; i < result.engines.size(); ++i) {
    auto& engine = *pipeline.engines()[i];
    // A difference was kept apart until now, because an engine with wrong outputs is measured all the same.
    if (result.engines[i].error.empty()) result.engines[i].error = warm_ups[i].difference;
    check_again(engine, result.engines[i]);
    result.engines[i].graphs = engine.workload().graphs();
    if (const auto& log = placed.role_of(i).log) result.engines[i].slices = since(timetable.measure, log->spans());
  }
  return result;
}

}  // namespace greenlane::runtime

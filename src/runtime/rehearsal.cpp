#include "runtime/memory_use.hpp"
#include "runtime/pipeline_stats.hpp"
#include "runtime/placed_pipeline.hpp"
#include "runtime/rehearsal_edges.hpp"
#include "runtime/rehearsal_trigger.hpp"

#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/runtime/rehearsal.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
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
  result.batch_rows = planned_rows(engine);
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

// Checks an engine with edges: its last run by the values that it had, and what it publishes by its recorded inputs.
void check_edges(const RehearsalEdges& edges, ServedEngine& engine, std::size_t index, EngineResult& result) {
  if (engine.workload().has_state() || !result.error.empty() || !edges.has_last(index)) return;
  engine.run_on_thread([&] { result.error = edges.difference_of_last(index); });
  result.checked = result.error.empty();
}

// Returns null if the pipeline has no edges.
std::unique_ptr<RehearsalEdges> rehearsal_edges_of(const LoadedPipeline& pipeline) {
  const bool has_edges =
      std::ranges::any_of(pipeline.config().engines, [](const auto& engine) { return !engine.edges.empty(); });
  return has_edges ? std::make_unique<RehearsalEdges>(pipeline) : nullptr;
}

PipelineStats stats_of(const LoadedPipeline& pipeline, const PlacedPipeline& placed, const RehearsalEdges* edges,
                       Clock::time_point opened) {
  const auto now = Clock::now();
  PipelineStats all;
  all.host_bytes = host_bytes();
  all.open_for = now - opened;
  all.is_running = true;
  for (std::size_t i = 0; i < pipeline.engines().size(); ++i) {
    const auto& engine = *pipeline.engines()[i];
    auto stats = about_engine(pipeline.config().engines[i], placed.lane_of(i), engine.workload());
    engine.fill(stats, now);
    all.engines.push_back(std::move(stats));
  }
  add_edges(all, pipeline.config(), edges ? &edges->edges() : nullptr, now);
  if (edges) edges->leave_out_warm_up(all);
  add_devices(all, pipeline, placed);
  return all;
}

// A scope in which an endpoint gives figures. `metrics`: null: there is none.
class Watched {
 public:
  Watched(MetricsEndpoint* metrics, MetricsEndpoint::Figures figures) : metrics_(metrics) {
    if (metrics_) metrics_->watch(std::move(figures));
  }
  ~Watched() {
    if (metrics_) metrics_->watch({});
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  MetricsEndpoint* metrics_;
};

Timetable timetable_of(const RunOptions& options, const PlacedPipeline& placed, const Device& device) {
  Timetable timetable;
  timetable.begin = Clock::now() + milliseconds(5);
  timetable.measure = timetable.begin + options.warm_up;
  timetable.end = timetable.measure + options.duration;
  if (device.id().kind == DeviceKind::cuda) {
    timetable.early = placed.longest_wait();
    timetable.spin = options.spin;
  }
  return timetable;
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

// Forgets all figures so far. `edges`: null if the pipeline has none.
void begin_measurement(const LoadedPipeline& pipeline, const PlacedPipeline& placed, RehearsalEdges* edges) {
  for (const auto& engine : pipeline.engines()) engine->begin_figures();
  if (edges) edges->begin_figures();
  Gate::of(pipeline.device())->reset_report();
  if (placed.passes()) placed.passes()->clear();
  for (std::size_t i = 0; i < pipeline.engines().size(); ++i) {
    if (placed.role_of(i).log) placed.role_of(i).log->clear();
  }
}

// The engines of a rehearsal, each with its trigger.
class Players {
 public:
  // `edges`: null if the pipeline has none.
  Players(LoadedPipeline& pipeline, RehearsalEdges* edges, const Timetable& timetable, bool trace, ModeResult& result)
      : pipeline_(pipeline), triggers_(pipeline.engines().size()) {
    for (std::size_t i = 0; i < triggers_.size(); ++i) {
      if (!result.engines[i].error.empty()) continue;  // its warm-up threw
      add(i, edges ? edges->runs(i) : nullptr, timetable, trace, result.engines[i]);
    }
    for (std::size_t i = 0; i < triggers_.size(); ++i) {
      if (triggers_[i].trigger) pipeline.engines()[i]->start(triggers_[i].trigger, timetable.spin);
    }
    if (edges) edges->start(timetable, trace);
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
      if (triggers_[i].trigger) triggers_[i].finish(is_stopped);
    }
  }

 private:
  struct Playing {
    std::shared_ptr<Trigger> trigger;  // null: nothing makes the engine run
    std::function<void(bool)> finish;
  };
  void add(std::size_t index, const std::shared_ptr<EdgeRuns>& runs, const Timetable& timetable, bool trace,
           EngineResult& result) {
    const auto& config = pipeline_.config().engines[index];
    const auto play = [&](const auto& trigger) {
      triggers_[index] = {.trigger = trigger, .finish = [trigger](bool stopped) { trigger->finish(stopped); }};
    };
    if (config.from.empty() || config.has_timer) {
      play(std::make_shared<RehearsalTrigger>(*pipeline_.engines()[index], config, timetable, trace, result, runs));
    } else if (std::ranges::any_of(config.edges, &EdgeConfig::triggers)) {
      play(std::make_shared<DataRehearsalTrigger>(runs, config, timetable, trace, result));
    } else {
      result.is_triggered = false;
    }
  }

  LoadedPipeline& pipeline_;
  std::vector<Playing> triggers_;
};

}  // namespace

ModeResult rehearse(LoadedPipeline& pipeline, Mode mode, const RunOptions& options) {
  static const std::atomic<bool> never{false};
  const auto& stop = options.stop ? *options.stop : never;
  using Logs = PlacedPipeline::Logs;
  PlacedPipeline placed(pipeline, mode, options.trace ? Logs::kept : Logs::none);

  ModeResult result;
  result.mode = mode;
  const auto warm_ups = placed.warm_up(options.check, stop);
  for (std::size_t i = 0; i < warm_ups.size(); ++i) {
    result.engines.push_back(describe(pipeline.config().engines[i], placed.lane_of(i), warm_ups[i]));
    result.engines.back().error = warm_ups[i].error;
  }

  const auto edges = rehearsal_edges_of(pipeline);
  std::optional<Watched> watched;  // while it measures
  if (options.before) options.before();
  const auto timetable = timetable_of(options, placed, pipeline.device());
  const auto device = pipeline.device().id();
  const auto gate = Gate::of(pipeline.device());
  {
    Players players(pipeline, edges.get(), timetable, options.trace, result);
    watch(timetable, options, stop, [&] {
      begin_measurement(pipeline, placed, edges.get());
      result.memory_before = memory_use(device);
      watched.emplace(options.metrics,
                      [&, begin = Clock::now()] { return stats_of(pipeline, placed, edges.get(), begin); });
    });
    if (stop) players.stop();
    players.finish(stop);
    if (edges) {
      edges->stop();
      edges->fill(result);
    }
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
    if (!edges || pipeline.config().engines[i].from.empty()) {
      check_again(engine, result.engines[i]);
    } else if (options.check) {
      check_edges(*edges, engine, i, result.engines[i]);
    }
    result.engines[i].graphs = engine.workload().graphs();
    result.engines[i].delays_urgent = placed.delays_urgent(i);
    if (const auto& log = placed.role_of(i).log) result.engines[i].slices = since(timetable.measure, log->spans());
  }
  return result;
}

}  // namespace greenlane::runtime

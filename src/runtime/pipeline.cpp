#include "runtime/aoti_workload.hpp"
#include "runtime/engine_threads.hpp"
#include "runtime/placement.hpp"
#include "runtime/plan/planned_device.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/gate.hpp>
#include <greenlane/detail/runtime/pipeline.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>
#include <utility>

namespace greenlane::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

MemoryUse memory_use(DeviceId device) {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return {.host_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
          .allocator_bytes = allocator_bytes(device)};
}

EngineResult describe(const EngineConfig& engine, const Lane& lane) {
  EngineResult result;
  result.name = engine.name;
  result.lane = engine.lane;
  result.units = lane.units().count;
  if (const auto partition = lane.partition()) result.cpus.assign(partition->cpus().begin(), partition->cpus().end());
  result.deadline = engine.deadline;
  return result;
}

// Runs the engine until it is likely to be warm, checks the last result, and puts back the state that these runs
// changed. Engines are warmed up one after another: lazy loading of kernels takes locks in the driver, and the wait for
// them would count against other engines.
void warm_up(Workload& workload, bool check, const std::atomic<bool>& stop, EngineResult& result) {
  if (!workload.may_be_warmed_up()) return;
  try {
    const auto enough = Clock::now() + milliseconds(100);
    for (int runs = 0; (runs < 3 || Clock::now() < enough) && !stop; ++runs) workload.run();
    const bool is_checked = check && !stop && workload.has_expected_outputs();
    if (is_checked && workload.has_state()) {
      workload.reset_state();
      workload.run();  // the expected outputs are those of a first run
    }
    if (is_checked) {
      result.error = workload.check();
      result.checked = result.error.empty();
    }
    workload.reset_state();
  } catch (const std::exception& error) {
    result.error = error.what();
    result.checked.reset();
  }
}

// Checks the outputs of the last measured run, which was made beside all other engines. Leaves out engines with state,
// because nobody knows their right outputs after so many runs.
void check_again(Workload& workload, EngineResult& result) {
  if (workload.has_state()) return;
  if (!result.checked || !*result.checked || !result.error.empty() || result.requests == result.unserved) return;
  result.error = workload.check();
  result.checked = result.error.empty();
}

// A guard that leaves the device ready for the next mode, also after an error: no engine on a lane, no memory held.
class Departure {
 public:
  Departure(const std::vector<std::unique_ptr<Workload>>& workloads, Device device)
      : workloads_(workloads), device_(std::move(device)) {}
  ~Departure() {
    try {
      Gate::of(device_)->set_log(nullptr);
      for (const auto& workload : workloads_) {
        workload->set_role({});
        workload->reset_state();
        workload->unbind();
      }
      release_unused_memory(device_.id());
    } catch (const std::exception& error) {
      warn(std::string("the engines could not leave their lanes: ") + error.what());
    }
  }
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;

 private:
  const std::vector<std::unique_ptr<Workload>>& workloads_;
  Device device_;
};

// Returns the gate role of each engine. Engines with a deadline are urgent, and best-effort engines let them pass. In
// mode gates this concerns all engines; in mode lanes on a GPU, engines that share units without taking turns. Other
// engines have no role.
std::vector<GateRole> roles_of(const PipelineConfig& config, const std::map<std::string, Lane>& lanes, Mode mode) {
  const auto share = [&](const EngineConfig& one, const EngineConfig& other) {
    return mode == Mode::gates ||
           (mode == Mode::lanes && lanes.at(one.lane).unit_set().overlaps(lanes.at(other.lane).unit_set()));
  };
  const bool on_gpu = lanes.begin()->second.device().id().kind == DeviceKind::cuda;
  std::vector<GateRole> roles(config.engines.size());
  if (mode != Mode::gates && !on_gpu) return roles;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto& engine = config.engines[i];
    const auto meets = [&](auto matters) {
      return std::ranges::any_of(config.engines,
                                 [&](const auto& other) { return matters(other) && share(engine, other); });
    };
    const auto is_urgent = [](const EngineConfig& other) { return other.deadline.has_value(); };
    const auto is_gated = [&](const EngineConfig& other) {
      return !other.deadline && other.gates && (mode == Mode::gates || !other.takes_turns);
    };
    if (engine.deadline) {
      if (mode == Mode::gates || meets(is_gated)) roles[i].urgent = engine.deadline;
    } else if (is_gated(engine) && (mode == Mode::gates || meets(is_urgent))) {
      roles[i].gated = true;
      roles[i].slice = engine.slice;
    }
  }
  return roles;
}

// Returns how long an urgent request may wait for the slices in flight, with a little added for the host. A gate that
// closes this long before a known arrival spares the request the wait.
Nanoseconds longest_wait(const std::vector<std::unique_ptr<Workload>>& workloads) {
  constexpr auto kHost = microseconds(10);
  Nanoseconds longest{0};
  for (const auto& workload : workloads) {
    const auto graphs = workload->graphs();
    if (graphs && graphs->slices > 1) longest += (graphs->look_ahead + 1) * graphs->longest_slice;
  }
  return longest.count() > 0 ? longest + kHost : longest;
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

}  // namespace

Pipeline::Pipeline(PipelineConfig config) : config_(std::move(config)), device_(Device::open(config_.device)) {
  require_planned_device(config_, device_.info());
  // Checks the division before the models are loaded, which takes long. Units that do not fit are an error in every
  // mode.
  if (device_.info().partition_obstacle.empty()) require_lanes_fit(config_, device_);
  for (const auto& library : config_.libraries) {
    try {
      load_operator_library(library);
    } catch (const ConfigError& error) {
      throw ConfigError({.what = config_.file.string() + ": libraries", .why = error.what(), .remedy = ""});
    }
  }
  for (const auto& engine : config_.engines) workloads_.push_back(make_aoti_workload(config_, engine, device_));
}

Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;

void Pipeline::place(const PipelineConfig& planned) {
  config_.lanes = planned.lanes;
  for (std::size_t i = 0; i < config_.engines.size(); ++i) {
    config_.engines[i].lane = planned.engines.at(i).lane;
    config_.engines[i].slice = planned.engines.at(i).slice;
  }
}

ModeResult Pipeline::run(Mode mode, const RunOptions& options) {
  static const std::atomic<bool> never{false};
  const auto& stop = options.stop ? *options.stop : never;
  const auto lanes = runtime::place(config_, device_, mode);
  const Departure departure(workloads_, device_);

  ModeResult result;
  result.mode = mode;
  auto roles = roles_of(config_, lanes, mode);
  const bool has_gates = mode == Mode::gates || std::ranges::any_of(roles, &GateRole::gated);
  const auto passes = options.trace && has_gates ? std::make_shared<SpanLog>(kMostSpans) : nullptr;
  const auto gate = Gate::of(device_);
  gate->set_log(passes);
  EngineThreads threads;
  for (std::size_t i = 0; i < workloads_.size(); ++i) {
    const Lane& lane = lanes.at(config_.engines[i].lane);
    if (options.trace && roles[i].gated) roles[i].log = std::make_shared<SpanLog>(kMostSpans);
    workloads_[i]->bind(lane);
    workloads_[i]->set_role(roles[i]);
    result.engines.push_back(describe(config_.engines[i], lane));
    threads.add([&, i] { warm_up(*workloads_[i], options.check, stop, result.engines[i]); },
                [&, i](const Timetable& timetable) {
                  if (!result.engines[i].error.empty() && !result.engines[i].checked) return;  // its warm-up threw
                  run_engine(*workloads_[i], config_.engines[i], timetable, stop, options.trace, result.engines[i]);
                });
  }

  if (options.before) options.before();
  Timetable timetable;
  timetable.begin = Clock::now() + milliseconds(5);
  timetable.measure = timetable.begin + options.warm_up;
  timetable.end = timetable.measure + options.duration;
  if (device_.id().kind == DeviceKind::cuda) {
    timetable.early = longest_wait(workloads_);
    timetable.spin = options.spin;
  }

  threads.start(timetable);
  watch(timetable, options, stop, [&] {
    result.memory_before = memory_use(device_.id());
    gate->reset_report();
    if (passes) passes->clear();
    for (const auto& role : roles) {
      if (role.log) role.log->clear();
    }
  });
  threads.join();
  if (options.after) options.after();
  result.begin = timetable.measure;
  result.spin = timetable.spin;
  if (has_gates) result.gate = gate->report();
  gate->set_log(nullptr);
  if (passes) result.passes = since(timetable.measure, passes->spans());
  result.memory_after = memory_use(device_.id());
  result.stopped_early = stop;
  result.measured = std::max(Nanoseconds(0), Nanoseconds(std::min(Clock::now(), timetable.end) - timetable.measure));
  for (std::size_t i = 0; i < workloads_.size(); ++i) {
    check_again(*workloads_[i], result.engines[i]);
    result.engines[i].graphs = workloads_[i]->graphs();
    if (roles[i].log) result.engines[i].slices = since(timetable.measure, roles[i].log->spans());
  }
  return result;
}

}  // namespace greenlane::runtime

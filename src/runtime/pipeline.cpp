#include "runtime/engine_loop.hpp"
#include "runtime/placement.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/runtime/pipeline.hpp>
#include <greenlane/torch/tensor_io.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

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

// Runs until it is likely to be warm, and compares the last result. Engines one after another: lazy loading of kernels
// takes locks in the driver that would be counted against whoever waits for them.
void warm_up(Workload& workload, bool check, const std::atomic<bool>& stop, EngineResult& result) {
  try {
    const auto enough = Clock::now() + milliseconds(100);
    for (int runs = 0; (runs < 3 || Clock::now() < enough) && !stop; ++runs) workload.run();
  } catch (const std::exception& error) {
    result.error = error.what();
    return;
  }
  if (!check || stop) return;
  if (!workload.has_expected_outputs()) return;
  result.error = workload.check();
  result.checked = result.error.empty();
}

// The outputs of the last measured run, made beside everything else, must be right too.
void check_again(Workload& workload, EngineResult& result) {
  if (!result.checked || !*result.checked || !result.error.empty() || result.requests == result.unserved) return;
  result.error = workload.check();
  result.checked = result.error.empty();
}

// Shows progress until the end, and calls `at_begin` when the measurement begins: until then caches and workspaces
// grow.
void watch(const Timetable& timetable, const RunOptions& options, const std::atomic<bool>& stop,
           const std::function<void()>& at_begin) {
  std::this_thread::sleep_until(timetable.measure);
  at_begin();
  const std::chrono::duration<double> whole = timetable.end - timetable.measure;
  while (!stop && Clock::now() < timetable.end) {
    std::this_thread::sleep_until(std::min(Clock::now() + milliseconds(100), timetable.end));
    const std::chrono::duration<double> over = Clock::now() - timetable.measure;
    if (options.progress) options.progress(std::clamp(over / whole, 0.0, 1.0));
  }
}

}  // namespace

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::lanes:
      return "lanes";
    case Mode::shared:
      return "shared";
    case Mode::priority:
      return "priority";
  }
  return "?";
}

Pipeline::Pipeline(PipelineConfig config) : config_(std::move(config)), device_(Device::open(config_.device)) {
  for (const auto& library : config_.libraries) load_operator_library(library);
  for (const auto& engine : config_.engines) workloads_.push_back(make_aoti_workload(config_, engine, device_));
}

Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;

ModeResult Pipeline::run(Mode mode, const RunOptions& options) {
  static const std::atomic<bool> never{false};
  const auto& stop = options.stop ? *options.stop : never;
  const auto lanes = place(config_, device_, mode);

  ModeResult result;
  result.mode = mode;
  for (std::size_t i = 0; i < workloads_.size(); ++i) {
    const Lane& lane = lanes.at(config_.engines[i].lane);
    workloads_[i]->bind(lane);
    result.engines.push_back(describe(config_.engines[i], lane));
    warm_up(*workloads_[i], options.check, stop, result.engines.back());
  }

  Timetable timetable;
  timetable.begin = Clock::now() + milliseconds(5);
  timetable.measure = timetable.begin + options.warm_up;
  timetable.end = timetable.measure + options.duration;
  if (device_.id().kind == DeviceKind::cuda) timetable.spin = microseconds(100);

  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < workloads_.size(); ++i) {
      if (!result.engines[i].error.empty() && !result.engines[i].checked) continue;  // it threw while warming up
      threads.emplace_back([&, i] {
        run_engine(*workloads_[i], config_.engines[i], timetable, stop, options.trace, result.engines[i]);
      });
    }
    watch(timetable, options, stop, [&] { result.memory_before = memory_use(device_.id()); });
  }
  result.memory_after = memory_use(device_.id());
  result.stopped_early = stop;
  result.measured = std::max(Nanoseconds(0), Nanoseconds(std::min(Clock::now(), timetable.end) - timetable.measure));
  for (std::size_t i = 0; i < workloads_.size(); ++i) check_again(*workloads_[i], result.engines[i]);
  // The next mode finds the device as this one did.
  for (const auto& workload : workloads_) workload->unbind();
  release_unused_memory(device_.id());
  return result;
}

}  // namespace greenlane::runtime

#include "core/cpu/cpu_device.hpp"

#include "core/cpu/cpu_limits.hpp"
#include "core/cpu/cpu_topology.hpp"
#include "core/cpu/openmp.hpp"
#include "core/cpu/worker.hpp"
#include "core/graphs/callers_graph.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/log.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

namespace greenlane::detail {
namespace {

class CpuUnits final : public UnitSet {
 public:
  explicit CpuUnits(std::vector<int> cpus) : cpus_(std::move(cpus)) {}
  [[nodiscard]] std::span<const int> cpus() const noexcept override { return cpus_; }

 private:
  std::vector<int> cpus_;
};

class CpuLane final : public LaneBackend {
 public:
  CpuLane(const UnitSet* units, const std::string& name, std::optional<int> niceness)
      : worker_(name, cpus_of(units), niceness) {}

  void run(const std::function<void()>& work) override { worker_.run(work); }
  std::shared_ptr<WorkerTask> submit(std::function<void()>& work) override { return worker_.submit(std::move(work)); }
  void synchronize() override {
    worker_.run([] {});  // work returns when it is done, so serving it is enough
  }

 private:
  // Returns all allowed CPUs for the whole device: otherwise a worker inherits the CPUs of the thread that makes it,
  // which may be pinned.
  static std::vector<int> cpus_of(const UnitSet* units) {
    return units ? std::vector(units->cpus().begin(), units->cpus().end()) : allowed_cpus();
  }

  Worker worker_;
};

DeviceInfo read_info() {
  DeviceInfo info;
  info.id = {DeviceKind::cpu, 0};
  info.name = cpu_model_name();
  info.groups = static_cast<int>(allowed_cpus().size());
  info.units = {info.groups};
  info.granularity = {1};
  info.memory_bytes =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return info;
}

// Returns the reason why the device has fewer cores than the machine; empty if it has all.
std::string why_so_few() {
  const auto here = static_cast<std::size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  const auto allowed = allowed_cpus().size();
  if (allowed >= here) return {};
  return fmt::format(
      "this process may run on {} of the machine's {} cores, by its affinity mask or cpuset: see `taskset -p`, a "
      "container's --cpuset-cpus, or a main thread that pinned itself",
      allowed, here);
}

// Warns of limits that keep lanes from using their cores, each once, with a remedy.
void warn_of_limits(std::size_t cores) {
  static std::once_flag warned;
  std::call_once(warned, [cores] {
    if (const auto quota = cpu_quota(); quota && *quota < static_cast<double>(cores)) {
      warn(fmt::format(
          "the CPU quota of this process's control group or container is {:.3g} cores, and lanes on the CPU divide {} "
          "cores. The kernel stops lanes that exceed the quota together, and they miss deadlines. Divide at most "
          "{:.0f}, or give the container its own cores (--cpuset-cpus) instead of a quota",
          *quota, cores, std::max(1.0, std::floor(*quota))));
    }
    if (!cpus_that_openmp_binds_to().empty()) {
      const auto variables = openmp_binding_variables();
      warn("OpenMP binds its threads to cores of its own choice" + (variables.empty() ? "" : " (" + variables + ")") +
           ", so that engines on lanes of the CPU leave their lanes' cores; unset it before the program starts: lanes "
           "pin their threads by themselves");
    }
  });
}

}  // namespace

CpuDevice::CpuDevice() : DeviceState(read_info(), why_so_few()) {}

std::shared_ptr<UnitSet> CpuDevice::make_units(std::span<const int> groups) {
  std::vector<int> cpus;
  for (const int group : groups) cpus.push_back(allowed_cpus()[static_cast<std::size_t>(group)]);
  return std::make_shared<CpuUnits>(std::move(cpus));
}

std::unique_ptr<LaneBackend> CpuDevice::make_lane(const std::shared_ptr<UnitSet>& units, const std::string& name,
                                                  std::optional<int> priority, LaneUse /*use*/) {
  warn_of_limits(allowed_cpus().size());
  return std::make_unique<CpuLane>(units.get(), name, priority);
}

std::unique_ptr<LaneBackend> CpuDevice::adopt(StreamView stream) {
  throw StreamError({.what = "stream " + to_string(stream) + " cannot be a lane of cpu",
                     .why = "the CPU has no streams",
                     .remedy = "make a lane on a partition of the CPU instead"});
}

ForeignUnits CpuDevice::units_of(StreamView /*stream*/) { return {.set = nullptr, .count = info().units}; }

bool CpuDevice::is_capturing(StreamView /*stream*/) { return false; }
std::optional<std::uint64_t> CpuDevice::capture_of(StreamView /*stream*/) { return std::nullopt; }
void CpuDevice::give_to_capture(StreamView /*stream*/, std::unique_ptr<LaneInGraph> /*lane*/) {}

std::unique_ptr<GraphBackend> CpuDevice::begin_capture(StreamView /*stream*/) {
  throw StreamError({.what = "cpu has no graphs",
                     .why = "work on a CPU lane is done when its call returns",
                     .remedy = "use a lane of cuda:N"});
}

std::unique_ptr<EventBackend> CpuDevice::make_event() {
  throw StreamError({.what = "cpu has no events",
                     .why = "work on a CPU lane is done when its call returns",
                     .remedy = "use a lane of cuda:N"});
}

std::unique_ptr<EventBackend> CpuDevice::make_timed_event() { return make_event(); }

}  // namespace greenlane::detail

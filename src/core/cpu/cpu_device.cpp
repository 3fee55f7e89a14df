#include "core/cpu/cpu_device.hpp"

#include "core/callers_graph.hpp"
#include "core/cpu/cpu_topology.hpp"
#include "core/cpu/worker.hpp"

#include <greenlane/core/error.hpp>

#include <unistd.h>

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
  void synchronize() override {
    worker_.run([] {});  // work returns when it is done, so being served is enough
  }

 private:
  // On the whole CPU all of them by name: a worker inherits the CPUs of the thread that makes it, which may be pinned.
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

}  // namespace

CpuDevice::CpuDevice() : DeviceState(read_info()) {}

std::shared_ptr<UnitSet> CpuDevice::make_units(std::span<const int> groups) {
  std::vector<int> cpus;
  for (const int group : groups) cpus.push_back(allowed_cpus()[static_cast<std::size_t>(group)]);
  return std::make_shared<CpuUnits>(std::move(cpus));
}

std::unique_ptr<LaneBackend> CpuDevice::make_lane(const std::shared_ptr<UnitSet>& units, const std::string& name,
                                                  std::optional<int> priority, LaneUse /*use*/) {
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
  throw StreamError(
      {.what = "cpu has no graphs", .why = "work on a CPU lane is done when its call returns", .remedy = ""});
}

std::unique_ptr<EventBackend> CpuDevice::make_event() {
  throw StreamError(
      {.what = "cpu has no events", .why = "work on a CPU lane is done when its call returns", .remedy = ""});
}

std::unique_ptr<EventBackend> CpuDevice::make_timed_event() { return make_event(); }

}  // namespace greenlane::detail

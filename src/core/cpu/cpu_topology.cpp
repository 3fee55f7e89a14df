#include "core/cpu/cpu_topology.hpp"

#include "core/cpu/cpu_mask.hpp"
#include "core/cpu/openmp.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/detail/core/process.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <thread>
#include <tuple>

namespace greenlane::detail {
namespace {

// Returns a number of /sys/devices/system/cpu/cpuN/topology, or `fallback` if the file does not exist.
int topology(int cpu, const char* file, int fallback) {
  std::ifstream stream("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + file);
  int value = fallback;
  return stream >> value ? value : fallback;
}

std::vector<int> read_affinity(pid_t thread) {
  // The kernel refuses masks smaller than its own and does not tell the size.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 20); cpus *= 2) {
    const CpuMask mask(static_cast<std::size_t>(cpus));
    if (sched_getaffinity(thread, mask.size(), mask.get()) != 0) continue;
    std::vector<int> allowed;
    for (int cpu = 0; cpu < cpus; ++cpu) {
      if (mask.has(cpu)) allowed.push_back(cpu);
    }
    return allowed;
  }
  throw DeviceError({.what = "the CPUs of this process could not be read",
                     .why = "sched_getaffinity failed",
                     .remedy = "try again; if it fails again, look at `taskset -p` of this process"});
}

// Returns those of `cpus` that exist and that the process may use: the kernel reports these to a thread that asks for
// all.
std::vector<int> usable(const std::vector<int>& cpus) {
  std::vector<int> found;
  std::jthread([&] {
    const CpuMask mask(cpus);
    if (sched_setaffinity(0, mask.size(), mask.get()) == 0) found = read_affinity(0);
  }).join();
  return found;
}

}  // namespace

std::vector<int> read_allowed_cpus() {
  // The affinity of the process's first thread: other threads may have pinned themselves, as control loops do.
  auto allowed = read_affinity(getpid());
  // If OpenMP binds its threads, it has pinned that thread too. Its places are from the mask before that.
  if (const auto places = cpus_that_openmp_binds_to(); !places.empty()) {
    const auto known = usable(places);
    allowed.insert(allowed.end(), known.begin(), known.end());
    std::ranges::sort(allowed);
    allowed.erase(std::ranges::unique(allowed).begin(), allowed.end());
  }
  std::ranges::sort(allowed, {}, [](int cpu) {
    return std::tuple(topology(cpu, "physical_package_id", 0), topology(cpu, "core_id", cpu), cpu);
  });
  return allowed;
}

const std::vector<int>& allowed_cpus() {
  static PerProcess<std::vector<int>> cpus;
  static PerProcess<std::once_flag> read;
  std::call_once(read.get(), [] { cpus.get() = read_allowed_cpus(); });
  return cpus.get();
}

std::string cpu_model_name() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with("model name")) continue;
    const auto colon = line.find(": ");
    if (colon != std::string::npos && colon + 2 < line.size()) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace greenlane::detail

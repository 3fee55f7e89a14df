// The threads of this process, as the operating system sees them.
#pragma once

#include <sched.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace greenlane::threads {

inline std::set<int> all() {
  std::set<int> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ids.insert(std::stoi(entry.path().filename().string()));
  return ids;
}

// Returns the threads that were not among `before`.
inline std::set<int> since(const std::set<int>& before) {
  std::set<int> fresh;
  std::ranges::set_difference(all(), before, std::inserter(fresh, fresh.end()));
  return fresh;
}

// Returns the CPUs that a thread may run on; empty if the thread has ended. For machines of up to 1024 CPUs.
inline std::set<int> cpus_of(int thread) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::set<int> cpus;
  if (sched_getaffinity(thread, sizeof mask, &mask) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) cpus.insert(cpu);
  }
  return cpus;
}

// Returns CPU time in seconds: the calling thread's or the whole process's, by the clock.
inline double cpu_seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace greenlane::threads

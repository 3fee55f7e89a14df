// The operating system's facts about the calling thread.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <set>
#include <string>

namespace greenlane::this_thread {

// Returns the CPUs that the thread may run on. For machines of up to 1024 CPUs.
inline std::set<int> cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  sched_getaffinity(0, sizeof mask, &mask);
  std::set<int> set;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) set.insert(cpu);
  }
  return set;
}

inline int niceness() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

inline std::string name() {
  char text[16] = {};
  pthread_getname_np(pthread_self(), text, sizeof text);
  return text;
}

}  // namespace greenlane::this_thread

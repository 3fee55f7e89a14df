#include "core/cpu/thread_settings.hpp"

#include "core/cpu/cpu_mask.hpp"

#include <greenlane/core/error.hpp>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace greenlane::detail {
namespace {

void set_affinity(const std::string& lane, const std::vector<int>& cpus) {
  const CpuMask mask(cpus);
  const int error = pthread_setaffinity_np(pthread_self(), mask.size(), mask.get());
  if (error != 0) {
    throw DeviceError({.what = "lane '" + lane + "' could not be pinned to its cores",
                       .why = std::strerror(error),  // NOLINT(concurrency-mt-unsafe)
                       .remedy = "check the affinity (taskset -p) and the cpuset that this process was started with"});
  }
}

void set_niceness(const std::string& lane, int niceness) {
  // On Linux, niceness belongs to a thread, and threads that it starts inherit it.
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness) != 0) {
    throw DeviceError({.what = "lane '" + lane + "' could not be given the nice value " + std::to_string(niceness),
                       .why = std::strerror(errno),  // NOLINT(concurrency-mt-unsafe)
                       .remedy = "use a value that is not below the process's own, which is " +
                                 std::to_string(own_niceness()) + ", or run with CAP_SYS_NICE"});
  }
}

}  // namespace

void apply_thread_settings(const std::string& lane, const std::vector<int>& cpus, std::optional<int> niceness) {
  pthread_setname_np(pthread_self(), ("lane " + lane).substr(0, 15).c_str());
  if (!cpus.empty()) set_affinity(lane, cpus);
  if (niceness) set_niceness(lane, *niceness);
}

int own_niceness() noexcept {
  // -1 is a valid nice value; an error is impossible for an existing thread.
  return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
}

}  // namespace greenlane::detail

#include "torch/cpu_threads.hpp"

#include <greenlane/core/lane.hpp>
#include <greenlane/core/log.hpp>

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>

// The function of PyTorch's own OpenMP runtime, which is linked by its file: a compiler's <omp.h> may be another
// runtime's.
extern "C" void omp_set_num_threads(int count);

namespace greenlane::detail {

void use_threads(int count) {
  thread_local int in_force = 0;
  if (in_force == count) return;
  // PyTorch sets its own number at a thread's first parallel loop. It must do so now, or it would undo ours later.
  // at::set_num_threads would work for this thread, but it also changes the default of all later threads.
  at::get_num_threads();
  omp_set_num_threads(count);
  in_force = count;
}

namespace {

// Returns the number of threads that an environment variable of OpenMP allows; the largest number if it does not say.
// If the variable holds a list, its first item counts, which is for outermost loops.
int allowed_by(const char* variable) {
  const int allowed = std::numeric_limits<int>::max();
  const char* const value = std::getenv(variable);
  if (!value) return allowed;
  const std::string_view text(value);
  const auto begin = std::min(text.find_first_not_of(" \t+"), text.size());
  int number = 0;
  const auto [end, error] = std::from_chars(text.data() + begin, text.data() + text.size(), number);
  return error == std::errc{} && number > 0 ? number : allowed;
}

}  // namespace

int threads_for(const Lane& lane) {
  constexpr std::array kVariables{"OMP_NUM_THREADS", "OMP_THREAD_LIMIT"};
  // The runtime read the variables when it was loaded.
  static const std::array<int, kVariables.size()> allowed{allowed_by(kVariables[0]), allowed_by(kVariables[1])};
  const int cores = lane.units().count;
  const auto* const least = std::ranges::min_element(allowed);
  if (*least >= cores) return cores;
  static std::once_flag warned;
  std::call_once(warned, [&] {
    const std::string variable = kVariables.at(static_cast<std::size_t>(least - allowed.begin()));
    warn("lane '" + lane.name() + "' has " + units_text(DeviceKind::cpu, lane.units()) + ", and its engines use " +
         std::to_string(*least) + " of them, because " + variable + "=" + std::to_string(*least) +
         " is set: unset it, or give such lanes fewer cores");
  });
  return *least;
}

}  // namespace greenlane::detail

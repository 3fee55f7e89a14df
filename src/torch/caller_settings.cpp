#include "torch/caller_settings.hpp"

#include "torch/cpu_threads.hpp"

#include <greenlane/core/lane.hpp>

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

namespace greenlane::detail {

CallerSettings::CallerSettings(const Lane& lane)
    : autocast_cache_(at::autocast::is_autocast_cache_enabled()),
      threads_(lane.partition() ? threads_for(lane) : at::get_num_threads()) {
  std::fegetenv(&environment_);
}

CallerSettings::Scope::Scope(const CallerSettings& settings)
    : guard_(settings.state_), autocast_cache_(at::autocast::is_autocast_cache_enabled()) {
  at::autocast::set_autocast_cache_enabled(settings.autocast_cache_);
  std::fegetenv(&environment_);
  std::fesetenv(&settings.environment_);
  use_threads(settings.threads_);
}

CallerSettings::Scope::~Scope() {
  std::fesetenv(&environment_);
  at::autocast::set_autocast_cache_enabled(autocast_cache_);
}

}  // namespace greenlane::detail

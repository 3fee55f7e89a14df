// Thread-local settings, carried from a caller to the worker of a CPU lane.
#pragma once

#include <ATen/ThreadLocalState.h>

#include <cfenv>

namespace greenlane {
class Lane;
}

namespace greenlane::detail {

// The calling thread's settings at construction, for work on `lane`.
class CallerSettings {
 public:
  explicit CallerSettings(const Lane& lane);

  // A scope in which these settings are those of the calling thread.
  class Scope {
   public:
    explicit Scope(const CallerSettings& settings);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    at::ThreadLocalStateGuard guard_;
    bool autocast_cache_;
    std::fenv_t environment_{};
  };

 private:
  at::ThreadLocalState state_;
  bool autocast_cache_;        // not a part of ThreadLocalState
  std::fenv_t environment_{};  // rounding, and whether denormal numbers count as zero
  int threads_;
};

}  // namespace greenlane::detail

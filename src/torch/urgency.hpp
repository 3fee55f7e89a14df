// Whether an engine on a GPU is urgent, which may change while it is called.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/detail/core/process.hpp>
#include <greenlane/detail/core/urgent.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

namespace greenlane::detail {

// Thread safety: all members may be called from any thread.
class Urgency {
 public:
  // Makes the engine urgent; absent: not urgent.
  void set(const Device& device, std::optional<std::chrono::nanoseconds> deadline) {
    auto urgent = deadline ? std::make_shared<UrgentEngine>(device, *deadline) : nullptr;
    const std::scoped_lock lock(mutex_);
    urgent_.swap(urgent);
  }
  // Returns null if the engine is not urgent.
  [[nodiscard]] std::shared_ptr<UrgentEngine> get() const {
    const std::scoped_lock lock(mutex_);
    return urgent_;
  }
  // Announces a call on the bound lane, or without one.
  void expect(const StreamBinding& binding, std::chrono::steady_clock::time_point from) const {
    const auto urgent = get();
    if (!urgent) return;
    const auto lane = binding.lane();
    urgent->expect(lane ? lane->unit_set() : UnitSetId{}, from);
  }

 private:
  mutable ForkSafeMutex mutex_{};
  std::shared_ptr<UrgentEngine> urgent_;
};

}  // namespace greenlane::detail

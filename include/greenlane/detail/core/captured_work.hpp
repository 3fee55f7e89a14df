// An engine's captured CUDA graphs, as its binding sees them. Every kind of engine that captures implements this.
#pragma once

#include <greenlane/core/lane.hpp>

#include <memory>
#include <optional>
#include <string>

namespace greenlane {

// The graphs that one engine has captured.
// Thread safety: called under the binding's lock.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;

  // Checks that the engine can run on another stream than the caller's. Called before the engine is bound, and before
  // each call while it is bound.
  // Throws: StreamError, naming `engine`, if it captures graphs by itself and cannot be made to capture them again;
  // those graphs would run where they were captured.
  virtual void require_bindable(const std::string& engine) const { (void)engine; }

  // Checks that the engine can be moved to other units. Called only before the engine is bound, and may be slow.
  // Throws: StreamError if its captured graphs would go on running elsewhere.
  virtual void require_movable(const std::string& engine) const { (void)engine; }

  // Reports that the engine is on `lane` from now on, or on no lane. Graphs move there, or are never replayed
  // again. Returns what must be freed after the lock is released.
  [[nodiscard]] virtual std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept = 0;
};

}  // namespace greenlane

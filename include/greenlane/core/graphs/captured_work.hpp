// What an engine has captured in CUDA graphs, as its binding sees it. Every kind of engine that captures implements
// this.
#pragma once

#include <greenlane/core/lane.hpp>

#include <memory>
#include <optional>
#include <string>

namespace greenlane {

// Thread safety: called under the binding's lock.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;

  // Whether the engine can be on another stream than the caller's at all: asked before it is bound, and before each
  // call while it is. Throws StreamError, naming `engine`, where it captures by itself and cannot be made to capture
  // anew: its graphs would run where they were captured.
  virtual void require_bindable(const std::string& engine) const { (void)engine; }

  // Asked only before the engine is bound, and need not be cheap. Throws StreamError where what it captured would go on
  // running elsewhere.
  virtual void require_movable(const std::string& engine) const { (void)engine; }

  // The engine is on `lane` from now on, or (nothing) on no lane: what was captured elsewhere is never replayed again.
  // Gives what is to be freed when the lock is released.
  [[nodiscard]] virtual std::shared_ptr<void> rebound(const std::optional<Lane>& lane) noexcept = 0;
};

}  // namespace greenlane

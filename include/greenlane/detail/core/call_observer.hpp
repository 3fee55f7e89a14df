// Observes the calls of engines. An audit uses it to assign kernels to engines.
#pragma once

#include <greenlane/core/lane.hpp>

#include <optional>
#include <utility>

namespace greenlane {

class StreamBinding;

// An observer of every call's begin and end.
// Thread safety: calls may begin and end in any thread at any time, also nested.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // Called in the calling thread when the stream is known and nothing is enqueued yet. `lane` is the engine's bound
  // lane.
  virtual void entered(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept = 0;
  // Called in the same thread at the end of the latest call that has not ended yet.
  virtual void left() noexcept = 0;
};

// Sets the observer; null removes it. Without an observer each call costs one load and one comparison.
// Lifetime: the observer must live until the process ends, because calls under way report their end to the observer
// that saw their begin.
void set_call_observer(CallObserver* observer) noexcept;

namespace detail {

// One observed call, from begin() to end().
class ObservedCall {
 public:
  ObservedCall() noexcept = default;
  ~ObservedCall() { end(); }
  ObservedCall(const ObservedCall&) = delete;
  ObservedCall& operator=(const ObservedCall&) = delete;

  void begin(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept;
  void end() noexcept {
    if (auto* const observer = std::exchange(observer_, nullptr)) observer->left();
  }

 private:
  CallObserver* observer_ = nullptr;
};

}  // namespace detail
}  // namespace greenlane

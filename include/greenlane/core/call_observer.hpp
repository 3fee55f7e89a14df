// Who is told of engines' calls: an audit, which asks whose work a kernel is.
#pragma once

#include <greenlane/core/lane.hpp>

#include <optional>
#include <utility>

namespace greenlane {

class StreamBinding;

// Thread safety: any thread may enter and leave calls at any time, also inside each other.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // In the thread that calls, once the stream is known and before the engine enqueues anything. `lane` is what the
  // engine is bound to.
  virtual void entered(const StreamBinding& binding, const std::optional<Lane>& lane) noexcept = 0;
  // In the same thread, for the call that was entered last and not left.
  virtual void left() noexcept = 0;
};

// From now on; null: nobody, which costs each call one load and one comparison. It must live until the process ends:
// calls that are under way tell whom they told first.
void set_call_observer(CallObserver* observer) noexcept;

namespace detail {

// One call, from begin() to its end.
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

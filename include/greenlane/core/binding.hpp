// Bindings: which stream an engine runs on, and how its work joins the caller's.
#pragma once

#include <greenlane/core/call_observer.hpp>
#include <greenlane/core/graphs/captured_work.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/detail/process.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane {

namespace detail {
class CallersGraphs;
}  // namespace detail

// Which stream an engine's call runs on. Asked anew for every call, in this order.
enum class StreamSource {
  bound,        // the external stream, or lane, that the engine is bound to
  passthrough,  // the caller's, because the process says so (set_engine_stream_passthrough)
  own,          // what this kind of engine does by itself: a pool stream, or the caller's
};

// Whether engines that are not bound run on the caller's stream instead of one of their own. For the whole process; off
// at first. Thread safety: both; a call that has begun keeps what it found.
[[nodiscard]] bool engine_stream_passthrough() noexcept;
void set_engine_stream_passthrough(bool on) noexcept;

struct FormerBinding;

// One engine's choice of stream. Every call of the engine goes through it:
//
//   auto call = binding.enter(caller);   // the engine's stream now waits for the caller's
//   … enqueue on call.stream() …
//   call.finish();                       // the caller's stream now waits for the engine's
//
// Stream order: where both are one stream there are no events at all, else one pair, made once and reused. After a
// rebind the first work on the new stream waits for the last on the old one, because engines own scratch memory.
// Capture: where a graph is being captured on the caller's stream, and that is not the lane's, the engine goes to a
// stream of its own on the lane's units (the lane's may be in use by others, who would be captured along), and the
// events become edges of the graph. That graph keeps the lane for as long as it exists; binding the engine to other
// units meanwhile gives one warning, because the graph goes on running it where it was. Lifetime: holds the lane, and
// through it the stream and its partition, or what keeps an external stream alive. "Not set" and "set to null" are
// different things: null is refused, clear() takes a binding away. Thread safety: all members. The lock is recursive
// and held from enter() to finish() while a lane is bound, so calls of one bound engine are enqueued one after another,
// and an engine may rebind itself from inside its own call.
// Forks: in a child, calls of what was bound before throw StreamError until it is bound anew, or cleared.
class StreamBinding {
 public:
  // `owner` names the engine in messages.
  StreamBinding(Device device, std::string owner);
  ~StreamBinding();
  StreamBinding(const StreamBinding&) = delete;
  StreamBinding& operator=(const StreamBinding&) = delete;

  // Throws StreamError when the lane is closed or of another device; the binding is then as it was.
  void set(const Lane& lane);
  // A stream that the caller made; `keep_alive`, where given, is held until nobody can need the stream any more. A raw
  // handle without it must outlive the binding. Throws StreamError, and leaves the binding as it was, for null (and the
  // two other reserved handles), a stream of another device, one that is being captured, and one of a closed lane.
  void set(StreamView stream, std::shared_ptr<const void> keep_alive = {});
  void clear();
  // What it is bound to; of an external stream a lane that adopted it.
  [[nodiscard]] std::optional<Lane> lane() const;
  // The stream of that; absent where nothing is bound, and on the CPU.
  [[nodiscard]] std::optional<StreamView> stream() const;
  [[nodiscard]] bool is_set() const;
  // Grows with every set and clear.
  [[nodiscard]] std::uint64_t generation() const;
  [[nodiscard]] const Device& device() const noexcept { return device_; }
  // The engine's name.
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }
  // Makes the stream that calls go to when they are captured, and gives its lane; nothing where nothing is bound.
  std::optional<Lane> prepare_capture();
  // What the engine captures, for an engine that does; null: nothing any more.
  void set_captured_work(std::shared_ptr<CapturedWork> captured);

  // One call of the engine, from enter() on. Joins in its destructor where finish() was not reached, so that a caller
  // whose engine threw is still ordered behind what was enqueued.
  class Call {
   public:
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // How the stream was chosen.
    [[nodiscard]] StreamSource source() const noexcept { return source_; }
    // Where the engine's work belongs. For StreamSource::own it is the caller's, and the kind of engine may go
    // elsewhere.
    [[nodiscard]] StreamView stream() const noexcept { return stream_; }
    // Whether that is another stream than the caller's.
    [[nodiscard]] bool crosses() const noexcept { return stream_ != caller_; }
    // The lane; absent where the engine is not bound.
    [[nodiscard]] const std::optional<Lane>& lane() const noexcept { return lane_; }
    // Whether the work goes into a graph that is being captured on the caller's stream.
    [[nodiscard]] bool is_captured() const noexcept { return captured_; }
    // Throws DriverError.
    void finish();

   private:
    friend class StreamBinding;
    Call(StreamBinding& binding, StreamView caller);
    [[nodiscard]] bool is_capturing(StreamView stream) const;
    void enter_capture();
    void keep_lane_in_graph();
    void fork();
    StreamBinding& binding_;
    std::unique_lock<detail::ForkSafeRecursiveMutex> lock_;
    std::optional<Lane> lane_;
    StreamView caller_;
    StreamView stream_;
    StreamSource source_ = StreamSource::own;
    bool captured_ = false;
    bool open_ = false;
    detail::ObservedCall observed_;
  };
  // For engines on a GPU; those on the CPU ask for lane(). Throws DriverError.
  [[nodiscard]] Call enter(StreamView caller) { return {*this, caller}; }

 private:
  friend void restore_all(std::span<const FormerBinding> former) noexcept;
  struct Events;
  Events& events();
  void replace(std::optional<Lane> lane);
  // In a process that was forked since, the engine is on that process's device of the same name.
  void follow_fork(const Device& device);
  void require_bindable() const;

  Device device_;
  std::string owner_;
  mutable detail::ForkSafeRecursiveMutex mutex_;
  std::optional<Lane> lane_;
  std::optional<Lane> beside_;  // for calls that are captured
  std::shared_ptr<CapturedWork> captured_;
  // Shared with graphs that this engine went into: they are stale when it has grown.
  std::shared_ptr<std::atomic<std::uint64_t>> generation_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  bool entered_ = false;       // whether the present lane has had work
  bool tail_pending_ = false;  // whether the next work must wait for a former lane's
  std::unique_ptr<Events> events_;
  std::unique_ptr<detail::CallersGraphs> callers_graphs_;  // made at the first capture
};

// One of several bindings to be made together.
struct BindingRequest {
  StreamBinding* binding;
  Lane lane;
};
// What one of them was bound to before.
struct FormerBinding {
  StreamBinding* binding;
  std::optional<Lane> lane;
};
// Makes all of them or none: should one be refused, those before it are put back as they were (bound elsewhere, or not
// bound), and its StreamError comes out. Returns what restore_all() needs.
std::vector<FormerBinding> bind_all(std::span<const BindingRequest> requests);
// Puts bindings back, the last first. What was bound once is not judged anew: a lane that was closed since then is
// bound again. A failing driver gives a warning.
void restore_all(std::span<const FormerBinding> former) noexcept;

}  // namespace greenlane

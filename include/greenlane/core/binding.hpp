// Bindings: the stream that an engine runs on, and how its work joins the caller's stream.
#pragma once

#include <greenlane/core/lane.hpp>
#include <greenlane/detail/core/call_observer.hpp>
#include <greenlane/detail/core/captured_work.hpp>
#include <greenlane/detail/core/process.hpp>

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
struct Access;
class CallersGraphs;
}  // namespace detail

/// The source of a call's stream. Determined anew for every call, in this order.
enum class StreamSource {
  bound,        ///< the external stream or lane that the engine is bound to
  passthrough,  ///< the caller's stream, because of set_engine_stream_passthrough(true)
  own,          ///< the choice of this kind of engine: a pool stream, or the caller's stream
};

/// Gets and sets the passthrough: unbound engines run on the caller's stream instead of a stream of their own. Applies
/// to the whole process; off by default.
/// Thread safety: both may be called from any thread. A call that has begun keeps the value it read.
[[nodiscard]] bool engine_stream_passthrough() noexcept;
/// Sets the passthrough.
void set_engine_stream_passthrough(bool on) noexcept;

struct FormerBinding;

/// One engine's choice of stream. Every call of the engine goes through it:
///
///     auto call = binding.enter(caller);   // the engine's stream now waits for the caller's
///     … enqueue on call.stream() …
///     call.finish();                       // the caller's stream now waits for the engine's
///
/// Stream order: if both streams are the same, no events are used; otherwise one pair of events, made once and reused.
/// After a rebind, the first work on the new stream waits for the last work on the old one, because engines own scratch
/// memory.
/// Capture: while a graph is being captured on the caller's stream, and that is not the lane's stream, the engine runs
/// on a separate stream on the lane's units. The lane's own stream may be in use by other engines, whose work would be
/// captured too. The events become edges of the graph. The graph keeps the lane for as long as it exists. Binding the
/// engine to other units meanwhile gives one warning, because the graph still runs the engine on the former units.
/// Lifetime: holds the lane, and through it the stream and its partition, or the owner of an external stream.
/// Thread safety: all members may be called from any thread. While a lane is bound, a recursive lock is held from
/// enter() to finish(). Calls of one bound engine are therefore enqueued one after another, and an engine may rebind
/// itself inside its own call.
/// Forks: in a forked child, calls of an engine that was bound in the parent throw StreamError until it is bound anew
/// or cleared.
class StreamBinding {
 public:
  /// `owner` names the engine in messages.
  StreamBinding(Device device, std::string owner);
  ~StreamBinding();
  StreamBinding(const StreamBinding&) = delete;
  StreamBinding& operator=(const StreamBinding&) = delete;

  /// Binds the engine to a lane. Lane::adopt makes a lane of a stream that the caller made.
  /// Throws: StreamError when the lane is closed or belongs to another device, or when the engine cannot be moved (see
  /// CapturedWork). The binding is then unchanged.
  void set(const Lane& lane);
  /// Removes the binding. An engine without a binding is no error.
  void clear();
  /// Returns the bound lane.
  [[nodiscard]] std::optional<Lane> lane() const;
  /// Returns the bound lane's stream. Absent if nothing is bound, and on the CPU.
  [[nodiscard]] std::optional<StreamView> stream() const;
  /// Returns true if a lane or a stream is bound.
  [[nodiscard]] bool is_set() const;
  /// Returns a number that grows with every set and clear.
  [[nodiscard]] std::uint64_t generation() const;
  /// Returns the engine's device.
  [[nodiscard]] const Device& device() const noexcept { return device_; }
  /// Returns the engine's name.
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }
  /// Makes the stream for captured calls and returns its lane; nothing if the engine is not bound.
  std::optional<Lane> prepare_capture();
  /// Sets the object that stands for the engine's captured graphs; null removes it.
  void set_captured_work(std::shared_ptr<CapturedWork> captured);

  /// One call of the engine, from enter() on. If finish() was not reached, the destructor joins the streams, so that a
  /// caller whose engine threw is still ordered behind the enqueued work.
  class Call {
   public:
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    /// Returns how the stream was chosen.
    [[nodiscard]] StreamSource source() const noexcept { return source_; }
    /// Returns the stream for the engine's work. For StreamSource::own it is the caller's stream, and the engine may
    /// choose another.
    [[nodiscard]] StreamView stream() const noexcept { return stream_; }
    /// Returns true if stream() is not the caller's stream.
    [[nodiscard]] bool crosses() const noexcept { return stream_ != caller_; }
    /// Returns the lane; absent if the engine is not bound.
    [[nodiscard]] const std::optional<Lane>& lane() const noexcept { return lane_; }
    /// Returns true if the work goes into a graph that is being captured on the caller's stream.
    [[nodiscard]] bool is_captured() const noexcept { return captured_; }
    /// Makes the caller's stream wait for the engine's.
    /// Throws: DriverError.
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
  /// Begins a call of an engine on a GPU. (Engines on the CPU use lane().)
  /// Throws: DriverError.
  [[nodiscard]] Call enter(StreamView caller) { return {*this, caller}; }

 private:
  friend struct detail::Access;
  struct Events;
  Events& events();
  void replace(std::optional<Lane> lane);
  // Takes the device of the same name in this process, if the process was forked after the binding was made.
  void follow_fork(const Device& device);
  void require_bindable() const;

  Device device_;
  std::string owner_;
  mutable detail::ForkSafeRecursiveMutex mutex_;
  std::optional<Lane> lane_;
  std::optional<Lane> beside_;  // for captured calls
  std::shared_ptr<CapturedWork> captured_;
  // Shared with the graphs that captured this engine: a graph is stale once this number has grown.
  std::shared_ptr<std::atomic<std::uint64_t>> generation_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  bool entered_ = false;       // whether the present lane has had work
  bool tail_pending_ = false;  // whether the next work must wait for work on a former lane
  std::unique_ptr<Events> events_;
  std::unique_ptr<detail::CallersGraphs> callers_graphs_;  // made at the first capture
};

/// One of several bindings to make together.
struct BindingRequest {
  StreamBinding* binding;  ///< the engine's binding
  Lane lane;               ///< the lane to bind
};
/// A binding's lane before bind_all().
struct FormerBinding {
  StreamBinding* binding;    ///< the engine's binding
  std::optional<Lane> lane;  ///< the former lane; absent: none
};
/// Makes all bindings or none. Returns the former lanes, for restore_all().
/// Throws: StreamError if one binding is refused; the bindings made before it are restored first.
std::vector<FormerBinding> bind_all(std::span<const BindingRequest> requests);
/// Restores bindings in reverse order. Lanes are not checked again: a lane that was closed meanwhile is bound again. A
/// driver failure gives a warning.
void restore_all(std::span<const FormerBinding> former) noexcept;

}  // namespace greenlane

// Bindings: which lane an engine runs on, and how its work joins the caller's stream.
#pragma once

#include <greenlane/core/lane.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace greenlane {

// One engine's choice of lane. Every call of the engine goes through it:
//
//   auto call = binding.enter(caller);   // the engine's stream now waits for the caller's
//   … enqueue on call.stream() …
//   call.finish();                       // the caller's stream now waits for the engine's
//
// Stream order: where both are one stream there are no events at all, else one pair, made once and reused. After a
// rebind the first work on the new stream waits for the last on the old one, because engines own scratch memory.
// Lifetime: holds the lane, and through it the stream and its partition.
// Thread safety: all members. The lock is recursive and held from enter() to finish() while a lane is bound, so calls
// of one bound engine are enqueued one after another, and an engine may rebind itself from inside its own call.
class StreamBinding {
 public:
  // `owner` names the engine in messages.
  StreamBinding(Device device, std::string owner);
  ~StreamBinding();
  StreamBinding(const StreamBinding&) = delete;
  StreamBinding& operator=(const StreamBinding&) = delete;

  // Throws StreamError when the lane is closed or of another device; the binding is then as it was.
  void set(const Lane& lane);
  void clear();
  [[nodiscard]] std::optional<Lane> lane() const;
  [[nodiscard]] bool is_set() const;
  // Grows with every set and clear.
  [[nodiscard]] std::uint64_t generation() const;
  [[nodiscard]] const Device& device() const noexcept { return device_; }

  // One call of the engine, from enter() on. Joins in its destructor where finish() was not reached, so that a caller
  // whose engine threw is still ordered behind what was enqueued.
  class Call {
   public:
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // Where the engine's work belongs.
    [[nodiscard]] StreamView stream() const noexcept { return stream_; }
    // Whether that is another stream than the caller's.
    [[nodiscard]] bool crosses() const noexcept { return stream_ != caller_; }
    // The lane; absent where the engine is not bound.
    [[nodiscard]] const std::optional<Lane>& lane() const noexcept { return lane_; }
    // Throws DriverError.
    void finish();

   private:
    friend class StreamBinding;
    Call(StreamBinding& binding, StreamView caller);
    StreamBinding& binding_;
    std::unique_lock<std::recursive_mutex> lock_;
    std::optional<Lane> lane_;
    StreamView caller_;
    StreamView stream_;
    bool open_ = false;
  };
  // For engines on a GPU; those on the CPU ask for lane(). Throws DriverError.
  [[nodiscard]] Call enter(StreamView caller) { return {*this, caller}; }

 private:
  struct Events;
  Events& events();
  void replace(std::optional<Lane> lane);

  Device device_;
  std::string owner_;
  mutable std::recursive_mutex mutex_;
  std::optional<Lane> lane_;
  std::uint64_t generation_ = 0;
  bool entered_ = false;       // whether the present lane has had work
  bool tail_pending_ = false;  // whether the next work must wait for a former lane's
  std::unique_ptr<Events> events_;
};

}  // namespace greenlane

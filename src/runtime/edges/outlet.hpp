// The values of one producer, and those that take them.
#pragma once

#include "runtime/edges/intake.hpp"
#include "runtime/edges/value.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Thread safety: all members may be called from any thread, except attach(): before the first value. One thread at a
// time publishes.
class Outlet {
 public:
  // `on_room`: called when a queue that blocks has room again.
  explicit Outlet(std::function<void()> on_room = {}) : on_room_(std::move(on_room)) {}

  // Values go to this edge from now on. `early`: before the device has written them.
  void attach(std::shared_ptr<Intake> intake, std::size_t edge, bool early = false);
  // Returns whether all edges have room.
  [[nodiscard]] bool has_room() const;
  // Waits until all edges have room, or one is closed, or `until`. Returns whether there is room.
  [[nodiscard]] bool wait_for_room(Clock::time_point until) const;

  // Says that a value comes in some microseconds.
  void expect() const;

  struct Published {
    ValuePtr value;  // with its sequence number
    bool was_taken;  // by all edges so far
  };
  // Hands a value to the early edges.
  Published begin(std::shared_ptr<const Payload> payload, SourceItems items, std::uint64_t epoch);
  // Hands the value to all other edges, and to those that wait for one. Its device work is done, or ordered before all
  // that reads it.
  void complete(Published& published);
  // Does both.
  Published publish(std::shared_ptr<const Payload> payload, SourceItems items, std::uint64_t epoch) {
    auto published = begin(std::move(payload), std::move(items), epoch);
    complete(published);
    return published;
  }
  // Returns the newest value; null: there was none.
  [[nodiscard]] ValuePtr latest() const;
  // Waits for a value that is newer than this sequence number, but not beyond `until`. Returns null if none came, or
  // if the outlet was closed.
  [[nodiscard]] ValuePtr wait_for_newer(std::uint64_t sequence, Clock::time_point until) const;
  // Ends all waits.
  void close();
  [[nodiscard]] bool is_closed() const;

 private:
  struct End {
    std::shared_ptr<Intake> intake;
    std::size_t edge;
    bool early;
  };
  void hand_out(Published& published, bool early) const;

  const std::function<void()> on_room_;
  std::vector<End> ends_;
  mutable std::mutex mutex_;  // guards the following members
  mutable std::condition_variable changed_;
  std::uint64_t sequence_ = 0;
  ValuePtr latest_;
  bool is_closed_ = false;
};

}  // namespace greenlane::runtime

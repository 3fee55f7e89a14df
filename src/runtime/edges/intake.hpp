// The inputs of one engine that come from other engines and from sources.
#pragma once

#include "runtime/edges/value.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// One edge: all that an engine takes from one producer.
struct EdgeOptions {
  std::size_t queue = 0;  // values that may wait; 0: a latest edge, on which a newer value replaces an older one
  Overflow overflow = Overflow::drop_oldest;
  bool triggers = false;  // new data makes the engine run
  bool is_feedback = false;
  std::shared_ptr<const Payload> initial{};  // of a feedback edge
};

// Counts of one edge.
struct EdgeCounts {
  std::size_t waiting = 0;     // values in the queue
  std::uint64_t taken = 0;     // values that a run has read, each once
  std::uint64_t dropped = 0;   // values that were overwritten, or dropped as the oldest, before a run read them
  std::uint64_t rejected = 0;  // values that found the queue full
};

// A latest edge shows the newest value that is done on the device. A run that such an edge triggers reads the newest
// value at once, and its lane waits for the device.
// Thread safety: all members may be called from any thread.
class Intake {
 public:
  // The values of one run.
  struct Inputs {
    std::vector<ValuePtr> values;                                     // one for each edge; empty if one is missing
    std::optional<std::size_t> missing;                               // an edge that has no value
    std::uint64_t epoch = std::numeric_limits<std::uint64_t>::max();  // the lowest of the values
    SourceItems items;                                                // without those of feedback edges
  };

  explicit Intake(std::vector<EdgeOptions> edges);

  // `listener` is called after each change that may let the engine run. Call it before values come.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }
  // `listener` is called some microseconds before new data that makes the engine run. Call it before values come.
  void on_expected(std::function<void()> listener) { expected_ = std::move(listener); }
  // Says that a value comes to this edge in some microseconds.
  void expect(std::size_t index) const {
    if (edges_[index].options.triggers && expected_) expected_();
  }

  // `listener` is called when this edge, a queue that blocks, has room again. Call it before values come.
  void on_room(std::size_t edge, std::function<void()> listener) { edges_[edge].on_room = std::move(listener); }

  // Adds a value to the edge of this index. Returns false if it was not taken: the queue is full and does not drop.
  bool put(std::size_t index, ValuePtr value);
  // Returns whether put() would be taken. Always true unless the queue blocks.
  [[nodiscard]] bool has_room(std::size_t index) const;
  // Waits until there is room, or the intake is closed, or `until`. Returns whether there is room.
  [[nodiscard]] bool wait_for_room(std::size_t index, Clock::time_point until) const;

  // Returns when the last of the triggering edges got its new data; absent: one has none, or a queue is empty.
  [[nodiscard]] std::optional<Clock::time_point> triggered() const;
  // Takes the values for a run, and the oldest of each queue. Takes nothing if one is missing.
  [[nodiscard]] Inputs take();

  // Puts the initial data back on feedback edges, and drops what earlier initial data went into.
  void reset(std::uint64_t epoch);
  // Ends all waits for room.
  void close();
  [[nodiscard]] std::vector<EdgeCounts> counts() const;

 private:
  struct Arrival {
    ValuePtr value;
    Clock::time_point time;
  };
  struct Edge {
    EdgeOptions options;
    std::function<void()> on_room;
    // A queue: all that wait. A latest edge: the newest value that is done, if there is one, then those that are not.
    std::deque<Arrival> values;
    bool is_new = false;  // no run has read the newest value
    EdgeCounts counts{};

    [[nodiscard]] bool is_queue() const noexcept { return options.queue > 0; }
    [[nodiscard]] bool has_room() const noexcept {
      return options.overflow != Overflow::block || values.size() < options.queue;
    }
    // Returns the arrival that makes the engine run; null: there is none.
    [[nodiscard]] const Arrival* trigger() const {
      if (is_queue()) return values.empty() ? nullptr : &values.front();
      return is_new ? &values.back() : nullptr;
    }
  };
  // Drops values of a latest edge before the newest that is done.
  static void drop_old(Edge& edge);
  // Returns the value that a run reads now; null: none.
  [[nodiscard]] static ValuePtr present(Edge& edge);

  std::function<void()> listener_;
  std::function<void()> expected_;
  mutable std::mutex mutex_;  // guards the following members
  mutable std::condition_variable room_;
  std::vector<Edge> edges_;
  bool has_trigger_ = false;
  bool is_closed_ = false;
  std::uint64_t epoch_ = 0;
};

}  // namespace greenlane::runtime

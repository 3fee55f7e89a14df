// Lanes: ordered execution queues, each on a partition or on a stream that the caller made.
#pragma once

#include <greenlane/core/lane_work.hpp>
#include <greenlane/core/partition.hpp>
#include <greenlane/core/stream.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace greenlane {

namespace detail {
struct Access;
class LaneState;
}  // namespace detail

/// The choices for a lane.
struct LaneOptions {
  /// The name in messages and reports; empty: the partition's name.
  std::string name{};
  /// On a GPU, a CUDA stream priority (lower is more urgent; clamped to the device's range). On a CPU, a nice value for
  /// the worker and the threads it starts. Absent: the device's default.
  std::optional<int> priority{};
};

/// A lane, as a shared handle. On a GPU it is a stream. On a CPU it is a worker thread pinned to the partition's cores;
/// OpenMP threads started from the worker inherit those cores.
///
/// Lifetime: the stream (or worker) and its partition live as long as any handle. A binding holds a handle. A stream on
/// which the caching allocator has recorded tensors is kept instead of destroyed, because the allocator may use the
/// stream for as long as those tensors live. A later lane on the same units reuses it.
/// Thread safety: all members may be called from any thread.
class Lane {
 public:
  /// Makes a lane on a partition.
  [[nodiscard]] static Lane create(const Partition& partition, const LaneOptions& options = {});
  /// Makes a lane on the whole device: a plain stream, or a worker that is not pinned.
  [[nodiscard]] static Lane create(const Device& device, const LaneOptions& options = {});
  /// Makes a lane of a stream that the caller made.
  /// Lifetime: `keep_alive`, if given, keeps the stream alive; otherwise the caller does.
  /// Throws: StreamError for a null or reserved handle, a stream of another device, or a stream that is being captured.
  [[nodiscard]] static Lane adopt(const Device& device, StreamView stream, const LaneOptions& options = {},
                                  std::shared_ptr<const void> keep_alive = {});

  /// Returns another lane on the same units, on a stream that nobody else uses. A capture on it contains no other work,
  /// and its graph stays on those units wherever it is launched. For an adopted stream, the lane is in the stream's
  /// green context if it has one.
  [[nodiscard]] Lane beside() const;

  /// Returns the name in messages and reports.
  [[nodiscard]] const std::string& name() const noexcept;
  /// Returns the device that the lane is on.
  [[nodiscard]] Device device() const;
  /// Absent for lanes on a whole device and for adopted streams.
  [[nodiscard]] std::optional<Partition> partition() const;
  /// Units of the partition, or of an adopted stream's green context, else of the device.
  [[nodiscard]] Units units() const noexcept;
  /// Returns the identity of the lane's set of units. Lanes on the same units have the same.
  [[nodiscard]] UnitSetId unit_set() const noexcept;
  /// Throws: StreamError on a CPU lane, which has no stream.
  [[nodiscard]] StreamView stream() const;
  /// Returns true if the caller made the stream.
  [[nodiscard]] bool is_adopted() const noexcept;

  /// Runs `work` on the lane and returns when `work` has returned. On a CPU lane `work` runs on the worker in the order
  /// of the calls; a call from the lane's own worker runs in place. On a GPU lane `work` runs in place and enqueues
  /// where it likes.
  ///
  /// Two CPU lanes cannot deadlock each other: while a lane's work waits for another lane, it runs the work for which
  /// that other lane waits here, directly or through further lanes. Waits that greenlane does not see, for an event or
  /// for a lock of the caller, are the caller's responsibility.
  /// Throws: what `work` throws; StreamError on a CPU lane in a process that was forked after the lane was made.
  void run(const std::function<void()>& work) const;
  /// Queues `work` and returns. On a GPU lane, and from the CPU lane's own worker, `work` has run in place when this
  /// returns.
  /// Lifetime: `work` must own everything it uses.
  /// Throws: StreamError as run() does.
  [[nodiscard]] LaneWork submit(std::function<void()> work) const;
  /// Waits until all work that was enqueued on the lane is done.
  /// Throws: StreamError in a process that was forked after the lane was made.
  void synchronize() const;
  /// Throws: StreamError in a process that was forked after the lane was made. Does nothing else.
  void require_here() const;

  /// Refuses new bindings from now on. Present bindings keep working. The units return to the device when the last user
  /// is gone.
  void close() noexcept;
  /// Returns true after close().
  [[nodiscard]] bool is_closed() const noexcept;

  /// Makes the stream outlive the lane, because an allocator may use it (see above). For layers above core. The owner
  /// of an adopted stream is then held until the process ends, once for each stream.
  void keep_stream() const noexcept;

  friend bool operator==(const Lane&, const Lane&) = default;

 private:
  friend struct detail::Access;
  explicit Lane(std::shared_ptr<detail::LaneState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::LaneState> state_;
};

/// Lanes by name, in the order of their requests.
class LaneSet {
 public:
  /// Makes a set of these lanes.
  explicit LaneSet(std::vector<Lane> lanes) : lanes_(std::move(lanes)) {}
  /// Throws: PartitionError for an unknown name; the message lists the known names.
  [[nodiscard]] const Lane& operator[](std::string_view name) const;
  /// Returns the begin of the lanes.
  [[nodiscard]] auto begin() const { return lanes_.begin(); }
  /// Returns the end of the lanes.
  [[nodiscard]] auto end() const { return lanes_.end(); }
  /// Returns the number of lanes.
  [[nodiscard]] std::size_t size() const noexcept { return lanes_.size(); }

 private:
  std::vector<Lane> lanes_;
};

}  // namespace greenlane

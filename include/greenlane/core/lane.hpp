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
class LaneState;
}  // namespace detail

struct LaneOptions {
  // For messages and reports; empty: the partition's name.
  std::string name{};
  // On a GPU a CUDA stream priority (lower is more urgent; out of range is clamped), on a CPU a nice value for the
  // worker and the threads that it starts. Absent: the default of the device.
  std::optional<int> priority{};
};

// A lane, as a shared handle. On a GPU it is a stream. On a CPU it is a worker thread pinned to the partition's cores;
// the threads that OpenMP starts on its behalf inherit those cores.
//
// Lifetime: the stream (or worker) and its partition live as long as any handle, and a binding holds one. A stream on
// which the caching allocator has recorded tensors is parked rather than destroyed, because the allocator may touch it
// for as long as those tensors live; a later lane on the same units takes it up again.
//
// Thread safety: all members may be called from any thread.
class Lane {
 public:
  // On a partition.
  [[nodiscard]] static Lane create(const Partition& partition, const LaneOptions& options = {});
  // On the whole device, beside everything else: a plain stream, or a worker that is pinned nowhere.
  [[nodiscard]] static Lane create(const Device& device, const LaneOptions& options = {});
  // Over a stream that the caller made and that `keep_alive` (where given) keeps alive. Throws StreamError for a null
  // or reserved handle, a stream of another device, or one that is being captured.
  [[nodiscard]] static Lane adopt(const Device& device, StreamView stream, const LaneOptions& options = {},
                                  std::shared_ptr<const void> keep_alive = {});

  // Another lane on the same units, whose stream nobody else uses: what is captured there is there alone, and stays in
  // those units wherever it is replayed. Of an adopted stream's units, where it is in a green context.
  [[nodiscard]] Lane beside() const;

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] Device device() const;
  // Absent for lanes on a whole device and for adopted ones.
  [[nodiscard]] std::optional<Partition> partition() const;
  // Units of the partition, or of the green context that an adopted stream is in, else of the device.
  [[nodiscard]] Units units() const noexcept;
  // Which units those are: lanes that share them have one number, and no others ever get it. 0: the whole device.
  [[nodiscard]] std::uint64_t place() const noexcept;
  // Throws StreamError on a CPU lane, which has none.
  [[nodiscard]] StreamView stream() const;
  [[nodiscard]] bool is_adopted() const noexcept;

  // Runs `work` on the lane and returns when `work` has returned; what it throws comes out here. On a CPU lane it runs
  // on the worker, in the order of the calls (called from the lane's own worker: in place). On a GPU lane it runs in
  // place: what it enqueues is its own affair.
  //
  // Two CPU lanes cannot wait for each other for ever: work that waits for another lane lets in what that lane,
  // directly or by way of others, waits for here. Waits that greenlane does not see, for an event or a lock of the
  // caller's own, are the caller's affair. Throws StreamError on a CPU lane in a process that was forked after the lane
  // was made.
  void run(const std::function<void()>& work) const;
  // Queues `work`, which owns what it uses, and returns. On a GPU lane, and from the CPU lane's own worker, it has run
  // in place when this returns.
  // Throws StreamError as run() does.
  [[nodiscard]] LaneWork submit(std::function<void()> work) const;
  // Blocks until everything that was enqueued on the lane is done.
  // Throws StreamError in a process that was forked after the lane was made.
  void synchronize() const;
  // Throws that, and does nothing else.
  void require_here() const;

  // Refuses new bindings from now on. What is bound to it keeps working, and its units are returned when the last user
  // lets go.
  void close() noexcept;
  [[nodiscard]] bool is_closed() const noexcept;

  // For layers above core: from now on the stream outlives the lane, because an allocator may touch it (see above).
  // What keeps an adopted stream alive is then held until the process ends, once for each stream.
  void keep_stream() const noexcept;

  friend bool operator==(const Lane&, const Lane&) = default;

 private:
  friend class Graph;
  friend class SlicedGraph;
  explicit Lane(std::shared_ptr<detail::LaneState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::LaneState> state_;
};

// Lanes by name, in the order of the requests that made them.
class LaneSet {
 public:
  explicit LaneSet(std::vector<Lane> lanes) : lanes_(std::move(lanes)) {}
  // Throws PartitionError, listing the names there are.
  [[nodiscard]] const Lane& operator[](std::string_view name) const;
  [[nodiscard]] auto begin() const { return lanes_.begin(); }
  [[nodiscard]] auto end() const { return lanes_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return lanes_.size(); }

 private:
  std::vector<Lane> lanes_;
};

}  // namespace greenlane

// The state behind a Device: one object for each device and process, with its one split and the backend that makes
// lanes.
#pragma once

#include "core/graphs/graph_slices.hpp"
#include "core/group_pool.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>
#include <greenlane/detail/core/kernel_code.hpp>
#include <greenlane/detail/core/process.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace greenlane::detail {

class LaneInGraph;

// Units made usable: a green context, or a list of CPUs.
class UnitSet {
 public:
  UnitSet() noexcept = default;
  virtual ~UnitSet() = default;
  UnitSet(const UnitSet&) = delete;
  UnitSet& operator=(const UnitSet&) = delete;
  [[nodiscard]] virtual std::span<const int> cpus() const noexcept { return {}; }
  [[nodiscard]] UnitSetId id() const noexcept { return id_; }

 private:
  UnitSetId id_ = UnitSetId::next();
};

class WorkerTask;

// The use of a lane: work is enqueued on it, or graphs are only captured there.
enum class LaneUse { work, capture };

// The executor of a lane: a CUDA stream or a worker thread.
class LaneBackend {
 public:
  virtual ~LaneBackend() = default;
  [[nodiscard]] virtual std::optional<StreamView> stream() const noexcept { return std::nullopt; }
  virtual void run(const std::function<void()>& work) = 0;
  // Takes over `work` if it runs elsewhere; otherwise returns null, and the caller runs `work`.
  [[nodiscard]] virtual std::shared_ptr<WorkerTask> submit(std::function<void()>& /*work*/) { return nullptr; }
  virtual void synchronize() = 0;
  virtual void keep_stream() noexcept {}
};

// An event that is made once and recorded many times.
class EventBackend {
 public:
  virtual ~EventBackend() = default;
  virtual void record(StreamView stream) = 0;
  virtual void make_wait(StreamView stream) = 0;
  // Returns true if the work it was recorded behind is done.
  [[nodiscard]] virtual bool is_done() = 0;
  // Returns the device's time between two timed events, both done.
  [[nodiscard]] virtual std::chrono::nanoseconds since(const EventBackend& earlier) = 0;
};

// A CUDA graph, at first under capture. Destroying it ends an open capture.
class GraphBackend {
 public:
  virtual ~GraphBackend() = default;
  // Ends the capture and makes the graph ready to be launched.
  // Throws: StreamError if the enqueued work cannot be in a graph.
  virtual void finish() = 0;
  // Throws: DriverError.
  virtual void launch(StreamView stream) = 0;
  // Returns the shape of a finished graph.
  // Throws: StreamError if this driver does not report it.
  [[nodiscard]] virtual GraphShape shape() const = 0;
  // Returns a graph of some of its nodes, with the edges between them, ready to be launched.
  // Throws: DriverError.
  [[nodiscard]] virtual std::unique_ptr<GraphBackend> part(std::span<const int> nodes) const = 0;
  // Returns the graph with the nodes on the units of stream `from` moved to those of stream `to`, ready to be launched.
  // Nodes keep their numbers. `code` may be null.
  // Throws: StreamError if a node cannot be moved; DriverError.
  [[nodiscard]] virtual std::unique_ptr<GraphBackend> moved(StreamView from, StreamView to, KernelCode* code) const = 0;
  // Returns the name of a node's kernel as in the source, empty if this driver does not tell it. Absent: the node is no
  // kernel.
  // Throws: DriverError.
  [[nodiscard]] virtual std::optional<std::string> kernel_name(int node) const = 0;
};

// The units of a stream that greenlane did not make.
struct ForeignUnits {
  std::shared_ptr<UnitSet> set;  // null: the whole device
  Units count;
};

class DeviceState : public std::enable_shared_from_this<DeviceState> {
 public:
  virtual ~DeviceState() = default;
  DeviceState(const DeviceState&) = delete;
  DeviceState& operator=(const DeviceState&) = delete;

  [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }
  // Returns the process that opened it. A child that is forked later opens its own.
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

  // Takes groups for all requests or for none; see GroupPool.
  [[nodiscard]] std::vector<std::vector<int>> take(std::span<const PartitionRequest> requests);
  void give_back(std::span<const int> groups) noexcept;
  // Checks that the device without its present holders has the groups for all requests. Takes and makes nothing.
  // Throws: PartitionError, as take() would.
  void require_fit(std::span<const PartitionRequest> requests) const;
  [[nodiscard]] Units units(std::span<const int> groups) const;

  [[nodiscard]] virtual std::shared_ptr<UnitSet> make_units(std::span<const int> groups) = 0;
  // Null `units`: a lane on the whole device.
  [[nodiscard]] virtual std::unique_ptr<LaneBackend> make_lane(const std::shared_ptr<UnitSet>& units,
                                                               const std::string& name, std::optional<int> priority,
                                                               LaneUse use) = 0;
  // Makes a lane of a caller's stream; see Lane::adopt.
  // Throws: StreamError.
  [[nodiscard]] virtual std::unique_ptr<LaneBackend> adopt(StreamView stream) = 0;
  [[nodiscard]] virtual ForeignUnits units_of(StreamView stream) = 0;
  [[nodiscard]] virtual std::unique_ptr<EventBackend> make_event() = 0;
  // Makes an event that takes the time when it is recorded.
  [[nodiscard]] virtual std::unique_ptr<EventBackend> make_timed_event() = 0;
  // Returns true if a graph is being captured on the stream, or if a capture on it has failed.
  // Throws: DriverError.
  [[nodiscard]] virtual bool is_capturing(StreamView stream) = 0;
  // Returns the number of the capture on the stream; nothing if there is no capture or it has failed.
  // Throws: DriverError.
  [[nodiscard]] virtual std::optional<std::uint64_t> capture_of(StreamView stream) = 0;
  // Keeps the lane for as long as the graph that is being captured on the stream, or anything made from it, exists.
  // Throws: DriverError.
  virtual void give_to_capture(StreamView stream, std::unique_ptr<LaneInGraph> lane) = 0;
  // Returns the primary CUcontext, made at the first need; null if there is none.
  // Throws: DriverError.
  [[nodiscard]] virtual void* native_context() { return nullptr; }
  // Begins a capture that concerns the calling thread alone.
  [[nodiscard]] virtual std::unique_ptr<GraphBackend> begin_capture(StreamView stream) = 0;

 protected:
  // `note`: see GroupPool.
  explicit DeviceState(DeviceInfo info, std::string note = {});

 private:
  // Throws: PartitionError where the device cannot be divided.
  void require_divisible() const;

  DeviceInfo info_;
  Origin origin_;
  mutable std::mutex mutex_;
  GroupPool pool_;
};

// Returns the state of a device. It is made at the first call and kept until the process ends, because a device is
// split once.
[[nodiscard]] std::shared_ptr<DeviceState> device_state(DeviceId id);
// Forgets all device states, so that a test can begin with another driver. Existing handles keep theirs.
void forget_devices();

}  // namespace greenlane::detail

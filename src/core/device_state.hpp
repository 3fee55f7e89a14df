// What stands behind a Device: one object a device and process, with its one split and the backend that makes lanes.
#pragma once

#include "core/graphs/graph_slices.hpp"
#include "core/group_pool.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>
#include <greenlane/detail/process.hpp>

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
  UnitSet() noexcept;
  virtual ~UnitSet() = default;
  UnitSet(const UnitSet&) = delete;
  UnitSet& operator=(const UnitSet&) = delete;
  [[nodiscard]] virtual std::span<const int> cpus() const noexcept { return {}; }
  // Which set of units this is, to tell what was captured on it from what was captured elsewhere: never 0, which stands
  // for the whole device, and never another set's, not even one's that is gone.
  [[nodiscard]] std::uint64_t place() const noexcept { return place_; }

 private:
  std::uint64_t place_;
};

class WorkerTask;

// Whether work is enqueued on a lane, or graphs are only captured there.
enum class LaneUse { work, capture };

// What a lane runs on: a CUDA stream or a worker thread.
class LaneBackend {
 public:
  virtual ~LaneBackend() = default;
  [[nodiscard]] virtual std::optional<StreamView> stream() const noexcept { return std::nullopt; }
  virtual void run(const std::function<void()>& work) = 0;
  // Takes `work` over where it runs elsewhere; else, null, the caller runs it.
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
  // Whether what it was recorded behind is done.
  [[nodiscard]] virtual bool is_done() = 0;
  // The device's time between both, which are timed and done.
  [[nodiscard]] virtual std::chrono::nanoseconds since(const EventBackend& earlier) = 0;
};

// A CUDA graph: under capture at first. Destroying it ends what has not ended.
class GraphBackend {
 public:
  virtual ~GraphBackend() = default;
  // Ends the capture and makes the graph ready to be launched. Throws StreamError where what was enqueued cannot be in
  // a graph.
  virtual void finish() = 0;
  // Throws DriverError.
  virtual void launch(StreamView stream) = 0;
  // Of a finished one. Throws StreamError where this driver does not tell.
  [[nodiscard]] virtual GraphShape shape() const = 0;
  // A graph of some of its nodes, with the edges between them, ready to be launched. Throws DriverError.
  [[nodiscard]] virtual std::unique_ptr<GraphBackend> part(std::span<const int> nodes) const = 0;
};

// The units of a stream that somebody else made.
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
  // The process that opened it. A child that is forked later opens its own.
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

  // Groups for all requests or for none; see GroupPool.
  [[nodiscard]] std::vector<std::vector<int>> take(std::span<const PartitionRequest> requests);
  void give_back(std::span<const int> groups) noexcept;
  [[nodiscard]] Units units(std::span<const int> groups) const;

  [[nodiscard]] virtual std::shared_ptr<UnitSet> make_units(std::span<const int> groups) = 0;
  // `units` null: on the whole device.
  [[nodiscard]] virtual std::unique_ptr<LaneBackend> make_lane(const std::shared_ptr<UnitSet>& units,
                                                               const std::string& name, std::optional<int> priority,
                                                               LaneUse use) = 0;
  // For a stream of the caller's own. Throws StreamError; see Lane::adopt.
  [[nodiscard]] virtual std::unique_ptr<LaneBackend> adopt(StreamView stream) = 0;
  [[nodiscard]] virtual ForeignUnits units_of(StreamView stream) = 0;
  [[nodiscard]] virtual std::unique_ptr<EventBackend> make_event() = 0;
  // One that takes the time when it is recorded.
  [[nodiscard]] virtual std::unique_ptr<EventBackend> make_timed_event() = 0;
  // Whether a graph is being captured on the stream, or what was captured on it went wrong. Throws DriverError.
  [[nodiscard]] virtual bool is_capturing(StreamView stream) = 0;
  // The number of the capture on the stream; nothing where there is none, or where it went wrong. Throws DriverError.
  [[nodiscard]] virtual std::optional<std::uint64_t> capture_of(StreamView stream) = 0;
  // Keeps the lane for as long as the graph that is being captured on the stream exists, and whatever is made of it.
  // Throws DriverError.
  virtual void give_to_capture(StreamView stream, std::unique_ptr<LaneInGraph> lane) = 0;
  // The primary CUcontext, made at the first need; null where there is none. Throws DriverError.
  [[nodiscard]] virtual void* native_context() { return nullptr; }
  // Begins a capture that concerns the calling thread alone.
  [[nodiscard]] virtual std::unique_ptr<GraphBackend> begin_capture(StreamView stream) = 0;

 protected:
  // `note`: see GroupPool.
  explicit DeviceState(DeviceInfo info, std::string note = {});

 private:
  DeviceInfo info_;
  Origin origin_;
  mutable std::mutex mutex_;
  GroupPool pool_;
};

// The state of a device, made when it is first asked for and kept until the process ends: a device is split once.
[[nodiscard]] std::shared_ptr<DeviceState> device_state(DeviceId id);
// Forgets all of them, so that a test can begin with another driver. Handles that live keep theirs.
void forget_devices();

}  // namespace greenlane::detail

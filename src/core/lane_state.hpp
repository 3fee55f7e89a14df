// The state behind a Lane.
#pragma once

#include "core/device_state.hpp"
#include "core/partition_state.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace greenlane::detail {

// The parts of a lane. Null `partition`: on the whole device, or on a stream's foreign units.
struct LaneParts {
  std::string name;
  std::shared_ptr<DeviceState> device;
  std::shared_ptr<PartitionState> partition;
  ForeignUnits units;
  std::shared_ptr<LaneBackend> backend;
  std::shared_ptr<const void> keep_alive;
  bool adopted = false;
};

class LaneState {
 public:
  explicit LaneState(LaneParts parts);
  ~LaneState();
  LaneState(const LaneState&) = delete;
  LaneState& operator=(const LaneState&) = delete;

  void close() noexcept;

  const std::string name;
  const bool adopted;
  const std::shared_ptr<DeviceState> device;
  const std::shared_ptr<const void> keep_alive;  // for an adopted stream; released after the backend
  const std::shared_ptr<PartitionState> partition;
  const ForeignUnits units;                    // if there is no partition
  const std::shared_ptr<LaneBackend> backend;  // a moved graph may keep it longer
  std::atomic<bool> closed{false};
  std::atomic<bool> kept{false};  // see Lane::keep_stream
};

}  // namespace greenlane::detail

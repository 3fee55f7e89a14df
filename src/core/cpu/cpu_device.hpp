// The CPU as a device: its units are the cores that the process may use, and each is a group.
#pragma once

#include "core/device_state.hpp"

namespace greenlane::detail {

class CpuDevice final : public DeviceState {
 public:
  CpuDevice();
  [[nodiscard]] std::shared_ptr<UnitSet> make_units(std::span<const int> groups) override;
  [[nodiscard]] std::unique_ptr<LaneBackend> make_lane(const std::shared_ptr<UnitSet>& units, const std::string& name,
                                                       std::optional<int> priority, LaneUse use) override;
  [[nodiscard]] std::unique_ptr<LaneBackend> adopt(StreamView stream) override;
  [[nodiscard]] ForeignUnits units_of(StreamView stream) override;
  [[nodiscard]] std::unique_ptr<EventBackend> make_event() override;
  [[nodiscard]] std::unique_ptr<EventBackend> make_timed_event() override;
  [[nodiscard]] bool is_capturing(StreamView stream) override;
  [[nodiscard]] std::optional<std::uint64_t> capture_of(StreamView stream) override;
  void give_to_capture(StreamView stream, std::unique_ptr<LaneInGraph> lane) override;
  [[nodiscard]] std::unique_ptr<GraphBackend> begin_capture(StreamView stream) override;
};

}  // namespace greenlane::detail

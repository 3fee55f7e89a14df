// Devices and lanes: bodies of the functions that torchbind.cpp registers.
#pragma once

#include "objects.hpp"
#include "pending_entries.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace greenlane::bindings {

// Returns a 64-bit number from Python as an int. A number that does not fit is refused, and never wrapped.
inline int checked_int(int64_t value, const char* what) {
  TORCH_CHECK_VALUE(std::in_range<int>(value), what, ": ", value, " is no number of 32 bits");
  return static_cast<int>(value);
}

// Divides a device into lanes; a size of -1 units stands for `rest`.
inline std::vector<LanePtr> partition(const std::string& device, const std::vector<std::string>& names,
                                      const std::vector<int64_t>& units) {
  TORCH_CHECK_VALUE(names.size() == units.size(), "partition: ", names.size(), " names and ", units.size(), " sizes");
  std::vector<PartitionRequest> requests;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto request = units[i] == -1 ? UnitRequest(rest) : UnitRequest(checked_int(units[i], "partition"));
    requests.push_back({.name = names[i], .units = request});
  }
  std::vector<LanePtr> lanes;
  for (const auto& lane : Device::open(device).partition(requests))
    lanes.push_back(c10::make_intrusive<LaneObject>(lane));
  return lanes;
}

inline LanePtr whole_device_lane(const std::string& device, const std::string& name, std::optional<int64_t> priority) {
  LaneOptions options{.name = name, .priority = {}};
  if (priority) options.priority = checked_int(*priority, "priority");
  return c10::make_intrusive<LaneObject>(Lane::create(Device::open(device), options));
}

// Makes a lane over a stream that the caller made. If the stream's owner lives in Python, `release(key)` is called by
// any thread when the stream is no longer needed. A `release` of 0 stands for a raw handle, which the caller keeps
// alive.
inline LanePtr adopt_stream(const std::string& device, int64_t handle, int64_t key, int64_t release) {
  std::shared_ptr<const void> owner;
  if (release != 0) {
    auto* const let_go = reinterpret_cast<void (*)(int64_t)>(release);  // NOLINT(performance-no-int-to-ptr)
    owner = std::shared_ptr<int64_t>(new int64_t(key), [let_go](const int64_t* owned) {
      if (!python_ended) let_go(*owned);
      delete owned;
    });
  }
  return c10::make_intrusive<LaneObject>(
      Lane::adopt(Device::open(device), StreamView::from_value(handle), {}, std::move(owner)));
}

inline std::vector<c10::intrusive_ptr<DeviceInfoObject>> devices() {
  std::vector<c10::intrusive_ptr<DeviceInfoObject>> all;
  for (auto& info : Device::enumerate()) all.push_back(c10::make_intrusive<DeviceInfoObject>(std::move(info)));
  return all;
}

inline std::vector<int64_t> cpus_of(const LanePtr& self) {
  const auto partition = self->lane.partition();
  if (!partition) return {};
  return {partition->cpus().begin(), partition->cpus().end()};
}

}  // namespace greenlane::bindings

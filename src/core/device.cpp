#include "core/cpu/cpu_device.hpp"
#include "core/cuda/cuda_device.hpp"
#include "core/cuda/hardware_queues.hpp"
#include "core/device_state.hpp"
#include "core/partition_state.hpp"

#include <greenlane/core/device.hpp>
#include <greenlane/core/error.hpp>
#include <greenlane/core/lane.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/access.hpp>

#include <atomic>
#include <charconv>
#include <map>

namespace greenlane {
namespace detail {
namespace {

struct Devices {
  std::mutex mutex;
  std::map<DeviceId, std::shared_ptr<DeviceState>> open;
};

// Never destroyed: lanes in static storage may outlive any static object here, and the driver may be gone by then.
Devices& devices() {
  static PerProcess<Devices> all;
  return all.get();
}

}  // namespace

DeviceState::DeviceState(DeviceInfo info, std::string note)
    : info_(std::move(info)),
      pool_(info_.id, info_.groups, info_.granularity.count, info_.remainder.count, std::move(note)) {}

void DeviceState::require_divisible() const {
  if (info_.partition_obstacle.empty()) return;
  throw PartitionError({.what = "cannot divide " + to_string(info_.id) + " (" + info_.name + ")",
                        .why = info_.partition_obstacle,
                        .remedy = "use lanes on the whole device (Lane::create(device)), or a newer driver"});
}

std::vector<std::vector<int>> DeviceState::take(std::span<const PartitionRequest> requests) {
  origin_.require_here("the device " + to_string(info_.id));
  require_divisible();
  const std::scoped_lock lock(mutex_);
  return pool_.take(requests);
}

void DeviceState::require_fit(std::span<const PartitionRequest> requests) const {
  require_divisible();
  const std::scoped_lock lock(mutex_);
  pool_.require_fit(requests);
}

void DeviceState::give_back(std::span<const int> groups) noexcept {
  if (!origin_.is_here()) return;
  const std::scoped_lock lock(mutex_);
  pool_.give_back(groups);
}

Units DeviceState::units(std::span<const int> groups) const {
  const std::scoped_lock lock(mutex_);
  return {pool_.units(groups)};
}

std::shared_ptr<DeviceState> device_state(DeviceId id) {
  auto& all = devices();
  const std::scoped_lock lock(all.mutex);
  auto& state = all.open[id];
  if (!state) {
    if (id.kind == DeviceKind::cuda) {
      state = CudaDevice::open(id.index);
    } else {
      state = std::make_shared<CpuDevice>();
    }
  }
  return state;
}

void forget_devices() {
  auto& all = devices();
  const std::scoped_lock lock(all.mutex);
  all.open.clear();
  forget_hardware_queues();
}

}  // namespace detail

DeviceId DeviceId::parse(std::string_view text) {
  if (text == "cpu") return {DeviceKind::cpu, 0};
  if (text == "cuda") return {DeviceKind::cuda, 0};
  constexpr std::string_view prefix = "cuda:";
  if (text.starts_with(prefix)) {
    const auto digits = text.substr(prefix.size());
    int index = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    // from_chars accepts a minus sign, which is not allowed here, not even for 0.
    if (error == std::errc{} && end == digits.data() + digits.size() && !digits.starts_with('-'))
      return {DeviceKind::cuda, index};
  }
  throw DeviceError(
      {.what = "'" + std::string(text) + "' is no device", .why = "", .remedy = "use cpu, cuda:N or auto"});
}

std::string to_string(DeviceId id) { return id.kind == DeviceKind::cpu ? "cpu" : "cuda:" + std::to_string(id.index); }

std::string units_text(DeviceKind kind, Units units) {
  return std::to_string(units.count) + (kind == DeviceKind::cuda ? " SM" : " core") + (units.count == 1 ? "" : "s");
}

Device Device::open(std::string_view name) {
  if (name != "auto") return open(DeviceId::parse(name));
  // If a GPU was lost in a fork, "auto" does not mean the CPU. Opening the GPU reports the reason.
  if (!detail::CudaDevice::why_lost_in_fork().empty()) return open(DeviceId{DeviceKind::cuda, 0});
  return open(detail::CudaDevice::count() > 0 ? DeviceId{DeviceKind::cuda, 0} : DeviceId{DeviceKind::cpu, 0});
}

Device Device::open(DeviceId id) {
  if (id.kind == DeviceKind::cpu && id.index != 0) {
    // A second one would divide the same cores again.
    throw DeviceError({.what = "there is no cpu with index " + std::to_string(id.index),
                       .why = "all cores of this process are one device",
                       .remedy = "use cpu"});
  }
  return detail::Access::make<Device>(detail::device_state(id));
}

std::vector<DeviceInfo> Device::enumerate() {
  std::vector<DeviceInfo> all;
  if (const auto why = detail::CudaDevice::why_lost_in_fork(); !why.empty()) warn("GPUs are not listed: " + why);
  for (int i = 0; i < detail::CudaDevice::count(); ++i) {
    const DeviceId id{DeviceKind::cuda, i};
    try {
      all.push_back(open(id).info());
    } catch (const Error& error) {
      warn(to_string(id) + " is not listed: " + error.what());
    }
  }
  all.push_back(open(DeviceId{DeviceKind::cpu, 0}).info());
  return all;
}

DeviceId Device::id() const noexcept { return state_->info().id; }

const DeviceInfo& Device::info() const noexcept { return state_->info(); }

Partition Device::partition(std::string name, UnitRequest units) const {
  const PartitionRequest request{.name = std::move(name), .units = units};
  return detail::Access::make<Partition>(std::move(detail::make_partitions(state_, {&request, 1}).front()));
}

LaneSet Device::partition(std::span<const PartitionRequest> requests) const {
  std::vector<Lane> lanes;
  for (auto& partition : detail::make_partitions(state_, requests)) {
    lanes.push_back(Lane::create(detail::Access::make<Partition>(std::move(partition))));
  }
  return LaneSet(std::move(lanes));
}

LaneSet Device::partition(std::initializer_list<PartitionRequest> requests) const {
  return partition(std::span(requests.begin(), requests.size()));
}

}  // namespace greenlane

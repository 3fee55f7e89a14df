#include "core/cuda/cuda_device.hpp"

#include "core/cuda/capture_mode.hpp"
#include "core/cuda/driver_check.hpp"
#include "core/cuda/event.hpp"
#include "core/cuda/graph.hpp"
#include "core/cuda/hardware_queues.hpp"
#include "core/cuda/stream_check.hpp"
#include "core/cuda/user_object.hpp"
#include "core/stream_registry.hpp"

#include <greenlane/core/error.hpp>

namespace greenlane::detail {
namespace {

// A lane over a stream that the caller owns, and the base of owned lanes.
class StreamLane : public LaneBackend {
 public:
  StreamLane(const driver::Table& driver, StreamView stream, int device, LaneUse use)
      : driver_(driver), stream_(stream) {
    if (use == LaneUse::work) in_use_.emplace(device, stream);
  }
  [[nodiscard]] std::optional<StreamView> stream() const noexcept override { return stream_; }
  void run(const std::function<void()>& work) override { work(); }
  void synchronize() override {
    const RelaxedCaptureMode while_others_capture(driver_);
    check(driver_, driver_.cuStreamSynchronize(stream_.handle()), "cuStreamSynchronize",
          "a lane could not be waited for");
  }

 private:
  const driver::Table& driver_;
  StreamView stream_;
  std::optional<StreamInUse> in_use_;
};

class OwnedLane final : public StreamLane {
 public:
  OwnedLane(std::shared_ptr<CudaDevice> device, const driver::Table& driver, std::unique_ptr<CudaStream> stream,
            LaneUse use)
      : StreamLane(driver, stream->view(), device->info().id.index, use),
        device_(std::move(device)),
        owned_(std::move(stream)) {}
  ~OwnedLane() override {
    if (owned_->is_kept()) device_->shelve(std::move(owned_));
  }
  void keep_stream() noexcept override { owned_->keep(); }

 private:
  std::shared_ptr<CudaDevice> device_;
  std::unique_ptr<CudaStream> owned_;
};

int attribute(const driver::Table& driver, CUdevice device, CUdevice_attribute which) {
  int value = 0;
  check(driver, driver.cuDeviceGetAttribute(&value, which, device), "cuDeviceGetAttribute",
        "cuda:" + std::to_string(device) + " could not be described");
  return value;
}

DeviceInfo read_info(const driver::Table& driver, CUdevice device) {
  const std::string what = "cuda:" + std::to_string(device) + " could not be described";
  DeviceInfo info;
  info.id = {DeviceKind::cuda, device};
  char name[256] = {};
  check(driver, driver.cuDeviceGetName(name, sizeof name - 1, device), "cuDeviceGetName", what);
  info.name = name[0] != '\0' ? name : "GPU";
  std::size_t bytes = 0;
  check(driver, driver.cuDeviceTotalMem(&bytes, device), "cuDeviceTotalMem", what);
  info.memory_bytes = bytes;
  check(driver, driver.cuDriverGetVersion(&info.driver_version), "cuDriverGetVersion", what);
  info.units = {attribute(driver, device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)};
  info.compute_capability = 10 * attribute(driver, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                            attribute(driver, device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  return info;
}

}  // namespace

int CudaDevice::count() noexcept {
  const auto* driver = driver::find();
  int count = 0;
  return driver && driver->cuDeviceGetCount(&count) == CUDA_SUCCESS ? count : 0;
}

std::string CudaDevice::why_lost_in_fork() {
  return driver::is_lost_in_fork() ? driver::unavailable_reason() : std::string();
}

std::shared_ptr<CudaDevice> CudaDevice::open(int index) {
  const auto& driver = require_driver();
  CUdevice device = -1;
  if (const CUresult result = driver.cuDeviceGet(&device, index); result != CUDA_SUCCESS) {
    throw DeviceError({.what = "there is no cuda:" + std::to_string(index),
                       .why = "cuDeviceGet gave " + describe(driver, result) + ", and " + std::to_string(count()) +
                              " GPU(s) are visible",
                       .remedy = "use one of those (greenlane devices), or change CUDA_VISIBLE_DEVICES"});
  }
  DeviceInfo info = read_info(driver, device);
  SmSplit split;
  if (!driver.has_green_contexts()) {
    info.partition_obstacle = "its driver (CUDA " + std::to_string(info.driver_version / 1000) + "." +
                              std::to_string(info.driver_version % 1000 / 10) +
                              ") has no green contexts: they need CUDA 12.5";
  } else {
    try {
      split = split_sms(driver, device, info.compute_capability);
      info.groups = split.whole_groups();
      info.granularity = {split.group_units};
      info.remainder = {split.remainder_units};
    } catch (const DriverError& error) {
      info.partition_obstacle = error.what();
    }
  }
  return std::make_shared<CudaDevice>(driver, device, std::move(info), std::move(split));
}

CudaDevice::CudaDevice(const driver::Table& driver, CUdevice device, DeviceInfo info, SmSplit split)
    : DeviceState(std::move(info)), driver_(driver), device_(device), split_(std::move(split)) {}

std::shared_ptr<PrimaryContext> CudaDevice::primary() {
  const std::scoped_lock lock(mutex_);
  if (!primary_) primary_ = std::make_shared<PrimaryContext>(driver_, device_);
  return primary_;
}

std::shared_ptr<UnitSet> CudaDevice::make_units(std::span<const int> groups) {
  if (auto shelved = shelf_.green_context(groups)) return shelved;
  return std::make_shared<GreenContext>(primary(), split_, groups);
}

std::unique_ptr<LaneBackend> CudaDevice::make_lane(const std::shared_ptr<UnitSet>& units, const std::string& name,
                                                   std::optional<int> priority, LaneUse use) {
  auto green = std::static_pointer_cast<GreenContext>(units);
  auto stream = shelf_.take(green, priority.value_or(0));
  if (!stream) stream = std::make_unique<CudaStream>(primary(), std::move(green), priority.value_or(0));
  register_open(stream->view(), name, use == LaneUse::capture);
  return std::make_unique<OwnedLane>(std::static_pointer_cast<CudaDevice>(shared_from_this()), driver_,
                                     std::move(stream), use);
}

std::unique_ptr<LaneBackend> CudaDevice::adopt(StreamView stream) {
  check_stream(driver_, stream, device_);
  note_hardware_queues(device_);  // the stream's context exists by now
  return std::make_unique<StreamLane>(driver_, stream, device_, LaneUse::work);
}

ForeignUnits CudaDevice::units_of(StreamView stream) {
  ForeignUnits whole{.set = nullptr, .count = info().units};
  CUgreenCtx green = nullptr;
  if (!driver_.cuStreamGetGreenCtx || driver_.cuStreamGetGreenCtx(stream.handle(), &green) != CUDA_SUCCESS || !green)
    return whole;
  const std::scoped_lock lock(mutex_);
  if (!primary_) primary_ = std::make_shared<PrimaryContext>(driver_, device_);
  const auto known = driver_.cuGreenCtxGetId ? green_context_id(driver_, green) : std::nullopt;
  std::shared_ptr<GreenContext> set;
  if (known) set = foreign_[*known].lock();
  if (!set) set = std::make_shared<GreenContext>(primary_, green);
  if (known) foreign_[*known] = set;
  std::erase_if(foreign_, [](const auto& entry) { return entry.second.expired(); });
  return {.set = set, .count = set->units().value_or(whole.count)};
}

void* CudaDevice::native_context() {
  if (auto* const known = context_.load(std::memory_order_acquire)) return known;
  auto* const context = primary()->handle();
  context_.store(context, std::memory_order_release);
  return context;
}

bool CudaDevice::is_capturing(StreamView stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  // The message is built only on an error, because every call of an engine runs this.
  if (const CUresult result = driver_.cuStreamIsCapturing(stream.handle(), &status); result != CUDA_SUCCESS)
    check(driver_, result, "cuStreamIsCapturing", "stream " + to_string(stream) + " could not be asked for a capture");
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

std::optional<std::uint64_t> CudaDevice::capture_of(StreamView stream) { return detail::capture_of(driver_, stream); }

void CudaDevice::give_to_capture(StreamView stream, std::unique_ptr<LaneInGraph> lane) {
  detail::give_to_capture(driver_, stream, std::move(lane));
}

std::unique_ptr<GraphBackend> CudaDevice::begin_capture(StreamView stream) {
  return std::make_unique<CudaGraph>(primary(), stream);
}

std::unique_ptr<EventBackend> CudaDevice::make_event() {
  return std::make_unique<CudaEvent>(primary(), CU_EVENT_DISABLE_TIMING);
}

std::unique_ptr<EventBackend> CudaDevice::make_timed_event() {
  return std::make_unique<CudaEvent>(primary(), CU_EVENT_DEFAULT);
}

}  // namespace greenlane::detail

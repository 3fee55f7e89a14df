#include "core/cuda/hardware_queues.hpp"

#include "driver/table.hpp"

#include <greenlane/core/error.hpp>
#include <greenlane/core/hardware_queues.hpp>
#include <greenlane/core/log.hpp>
#include <greenlane/detail/core/process.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace greenlane {
namespace detail {
namespace {

struct Book {
  struct Gpu {
    std::optional<int> queues;            // the noted number
    std::map<std::int64_t, int> streams;  // in use, with the number of users of each
  };
  std::mutex mutex;
  std::map<int, Gpu> gpus;
  bool has_warned = false;
};

// Never destroyed: lanes in static storage may outlive any static object here.
Book& book() {
  static PerProcess<Book> one;
  return one.get();
}

int queues_by_variable() {
  const char* value = std::getenv(kHardwareQueuesVariable);
  if (!value) return kDefaultHardwareQueues;
  const std::string_view text(value);
  int queues = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), queues);
  const bool is_number = error == std::errc{} && end == text.data() + text.size();
  return is_number && queues >= 1 && queues <= kMostHardwareQueues ? queues : kDefaultHardwareQueues;
}

HardwareQueues count(const Book::Gpu& gpu) {
  return {.in_force = gpu.queues ? *gpu.queues : queues_by_variable(),
          .streams = static_cast<int>(gpu.streams.size()) + 1};
}

std::string warning_of(int device, const HardwareQueues& queues) {
  const std::string gpu = to_string(DeviceId{DeviceKind::cuda, device});
  std::string text = std::to_string(queues.streams) + " streams are in use on " + gpu + ", which has " +
                     std::to_string(queues.in_force) + (queues.in_force == 1 ? " hardware queue" : " hardware queues") +
                     " in this process: lanes that share a queue wait for each other's work; ";
  if (queues.in_force >= kMostHardwareQueues) return text + "use fewer lanes: more queues there are not";
  text += std::string("set ") + kHardwareQueuesVariable + "=" +
          std::to_string(std::clamp(queues.streams, kDefaultHardwareQueues, kMostHardwareQueues)) +
          " before the program starts (in Python, importing greenlane before CUDA is used sets it, as "
          "GREENLANE_HARDWARE_QUEUES says)";
  return text;
}

bool has_any_context() {
  const auto* driver = driver::find();
  int gpus = 0;
  if (!driver || driver->cuDeviceGetCount(&gpus) != CUDA_SUCCESS) return false;
  for (int i = 0; i < gpus; ++i) {
    CUdevice device = 0;
    unsigned int flags = 0;
    int is_active = 0;
    if (driver->cuDeviceGet(&device, i) == CUDA_SUCCESS &&
        driver->cuDevicePrimaryCtxGetState(device, &flags, &is_active) == CUDA_SUCCESS && is_active != 0)
      return true;
  }
  return false;
}

}  // namespace

StreamInUse::StreamInUse(int device, StreamView stream) : device_(device), stream_(stream) {
  auto& all = book();
  HardwareQueues queues;
  {
    const std::scoped_lock lock(all.mutex);
    auto& gpu = all.gpus[device];
    ++gpu.streams[stream.value()];
    queues = count(gpu);
    if (queues.streams <= queues.in_force || std::exchange(all.has_warned, true)) return;
  }
  warn(warning_of(device, queues));
}

StreamInUse::~StreamInUse() {
  auto& all = book();
  const std::scoped_lock lock(all.mutex);
  auto& streams = all.gpus[device_].streams;
  const auto entry = streams.find(stream_.value());
  if (entry != streams.end() && --entry->second == 0) streams.erase(entry);
}

void note_hardware_queues(int device) {
  auto& all = book();
  const std::scoped_lock lock(all.mutex);
  auto& queues = all.gpus[device].queues;
  if (!queues) queues = queues_by_variable();
}

void forget_hardware_queues() {
  auto& all = book();
  const std::scoped_lock lock(all.mutex);
  for (auto& [device, gpu] : all.gpus) gpu.queues.reset();
  all.has_warned = false;
}

}  // namespace detail

HardwareQueues hardware_queues(DeviceId device) {
  if (device.kind != DeviceKind::cuda) {
    throw DeviceError({.what = to_string(device) + " has no hardware queues",
                       .why = "only GPUs have them",
                       .remedy = "name a GPU (cuda:N)"});
  }
  auto& all = detail::book();
  const std::scoped_lock lock(all.mutex);
  return detail::count(all.gpus[device.index]);
}

bool request_hardware_queues(int streams) {
  if (std::getenv(kHardwareQueuesVariable)) return false;
  const auto wanted = std::to_string(std::clamp(streams, kDefaultHardwareQueues, kMostHardwareQueues));
  // Before any CUDA call, including the query for contexts.
  ::setenv(kHardwareQueuesVariable, wanted.c_str(), 1);
  if (!detail::has_any_context()) return true;
  ::unsetenv(kHardwareQueuesVariable);
  return false;
}

}  // namespace greenlane

// Hardware queues: a GPU takes the work of a process's streams through them. Streams that share a queue wait for each
// other's work, even if their SMs are disjoint. CUDA makes 8 queues for a process and device, or the number in the
// environment variable CUDA_DEVICE_MAX_CONNECTIONS (1 to 32), which it reads when it starts.
// Thread safety: hardware_queues() may be called from any thread; for request_hardware_queues() see there.
#pragma once

#include <greenlane/core/device.hpp>

namespace greenlane {

/// The environment variable from which CUDA takes the number of queues.
inline constexpr const char* kHardwareQueuesVariable = "CUDA_DEVICE_MAX_CONNECTIONS";
/// The number of queues without the variable.
inline constexpr int kDefaultHardwareQueues = 8;
/// The largest number of queues.
inline constexpr int kMostHardwareQueues = 32;

/// A GPU's hardware queues in this process, and the streams that share them.
struct HardwareQueues {
  /// The variable's value when greenlane first used the device's context; before that, its present value. A value that
  /// is not a number from 1 to 32 counts as 8, because CUDA ignores it.
  int in_force = kDefaultHardwareQueues;
  /// Streams that may have work at once: open lanes, adopted streams (each once), and the caller's default stream.
  /// Streams used only for captures do not count. One warning is given if there are more streams than queues.
  int streams = 1;
};
/// Returns the queues of a GPU in this process.
/// Throws: DeviceError for a CPU.
[[nodiscard]] HardwareQueues hardware_queues(DeviceId device);

/// Requests as many queues as `streams` need, 8 to 32, by setting the variable. More queues than needed cost throughput
/// (up to 4 % with 32).
/// Returns: whether CUDA will see the value. False, with nothing changed, if the variable is already set, because that
/// value is the user's, or if a GPU has a context, because CUDA has read the variable by then.
/// Thread safety: none, because setenv has none. Call it before the process has other threads and before CUDA is used.
bool request_hardware_queues(int streams);

}  // namespace greenlane

// Hardware queues: through these a GPU takes the work of a process's streams. Streams that share one wait for each
// other's work, also where their SMs are disjoint. CUDA makes 8 for a process and device, or as many as the environment
// variable CUDA_DEVICE_MAX_CONNECTIONS says (1 to 32), which it reads when it starts.
// Thread safety: hardware_queues() may be called from any thread; request_hardware_queues() as it says.
#pragma once

#include <greenlane/core/device.hpp>

namespace greenlane {

inline constexpr const char* kHardwareQueuesVariable = "CUDA_DEVICE_MAX_CONNECTIONS";
inline constexpr int kDefaultHardwareQueues = 8;
inline constexpr int kMostHardwareQueues = 32;

struct HardwareQueues {
  // What the variable said when the device's context was first used by greenlane; before that, what it says now. A
  // value that is no number from 1 to 32 counts as 8: CUDA ignores it.
  int in_force = kDefaultHardwareQueues;
  // Streams that may have work at once: open lanes, adopted streams (each once), and the caller's default stream.
  // Streams on which graphs are only captured do not count. Where they are more than the queues, one warning says so.
  int streams = 1;
};
// Of a GPU, in this process. Throws DeviceError for a CPU.
[[nodiscard]] HardwareQueues hardware_queues(DeviceId device);

// Asks CUDA for as many queues as so many streams need, 8 to 32: sets the variable. More than are needed cost
// throughput (up to 4 % with 32). Returns whether CUDA will see it. False, and nothing changes, where the variable is
// set already, because that value is the user's, and where a GPU has a context, because then it is too late.
// Thread safety: none, as setenv has none. Call it before the process has other threads and before CUDA is used.
bool request_hardware_queues(int streams);

}  // namespace greenlane

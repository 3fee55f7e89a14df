// Queries that an audit makes of PyTorch.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>

#include <vector>

namespace greenlane {

// Returns true if PyTorch's profiler is on, in this thread or for all threads.
[[nodiscard]] bool profiler_is_running();
// Returns all streams of PyTorch's pool on a GPU, which torch.cuda.Stream() and extensions use. Makes them if they do
// not exist yet.
[[nodiscard]] std::vector<StreamView> pool_streams(DeviceId device);
// Waits for all work on all GPUs that are in use.
// Throws: PyTorch's error where a kernel failed.
void synchronize_devices();
// Sets a byte on a GPU that is in use, on the current stream, as work that must be recorded. Returns false if no GPU is
// in use.
[[nodiscard]] bool touch_gpu();

}  // namespace greenlane

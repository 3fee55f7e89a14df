// What an audit asks of PyTorch.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/stream.hpp>

#include <vector>

namespace greenlane {

// Whether PyTorch's profiler is on, in this thread or for all.
[[nodiscard]] bool profiler_is_running();
// All streams of PyTorch's pool on a GPU: those that torch.cuda.Stream() and extensions get. Makes them where they are
// not there.
[[nodiscard]] std::vector<StreamView> pool_streams(DeviceId device);
// Waits for all work on all GPUs that are in use. Throws what PyTorch throws where a kernel failed.
void synchronize_devices();
// Sets a byte on a GPU that is in use, on the current stream: something that must be recorded. False where none is.
[[nodiscard]] bool touch_gpu();

}  // namespace greenlane

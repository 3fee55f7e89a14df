// The CUDA context that is current in the calling thread.
#pragma once

#include <greenlane/core/device.hpp>

namespace greenlane {

// A guard that restores the calling thread's current CUDA context when it is destroyed. Every entry point that reaches
// PyTorch or CUDA holds one, so that the caller's device and context stay as they were.
// On a machine without a driver it does nothing.
// Lifetime: destroy it on the thread that made it, in reverse order of construction.
class CurrentContext {
 public:
  // Keeps the current context for the destructor and changes nothing.
  CurrentContext() noexcept;
  // Also makes the primary context of a GPU current. For the CPU it only keeps the current context.
  // Throws: DriverError.
  explicit CurrentContext(const Device& device);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  void* former_ = nullptr;  // a CUcontext; null: no context was current
  bool is_known_ = false;
  bool pushed_ = false;
};

}  // namespace greenlane

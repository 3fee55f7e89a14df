// The CUDA context that is current in the calling thread.
#pragma once

#include <greenlane/core/device.hpp>

namespace greenlane {

// Puts the context that is current now back when it goes, whatever became current meanwhile. Every entry point that
// reaches PyTorch or CUDA holds one, so that the caller finds its device and its context as they were.
// On a machine without a driver it does nothing.
// Lifetime: destroy it on the thread that made it, the last one first.
class CurrentContext {
 public:
  // Only keeps what is current.
  CurrentContext() noexcept;
  // Makes the primary context of a GPU current, too, and nothing more for the CPU. Throws DriverError.
  explicit CurrentContext(const Device& device);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  void* former_ = nullptr;  // a CUcontext; null: none is current
  bool is_known_ = false;
  bool pushed_ = false;
};

}  // namespace greenlane

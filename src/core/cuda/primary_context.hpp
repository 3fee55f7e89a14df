// The primary context of a GPU: the one that PyTorch and the CUDA runtime use.
//
// Streams and events are made in it. A green context is never made current: everything is done by stream.
#pragma once

#include "driver/table.hpp"

namespace greenlane::detail {

class PrimaryContext {
 public:
  // Retains it. Throws DriverError.
  PrimaryContext(const driver::Table& driver, CUdevice device);
  ~PrimaryContext();
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;

  [[nodiscard]] const driver::Table& driver() const noexcept { return driver_; }
  [[nodiscard]] CUdevice device() const noexcept { return device_; }
  [[nodiscard]] CUcontext handle() const noexcept { return context_; }

 private:
  const driver::Table& driver_;
  CUdevice device_;
  CUcontext context_ = nullptr;
};

// Makes the primary context current in this thread for as long as it lives, unless it is current already.
class ContextScope {
 public:
  // Throws DriverError.
  explicit ContextScope(const PrimaryContext& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  const driver::Table& driver_;
  bool pushed_ = false;
};

}  // namespace greenlane::detail

// The primary context of a GPU, which PyTorch and the CUDA runtime use.
//
// Streams and events are made in it. A green context is never made current: its streams are used by handle.
#pragma once

#include "driver/table.hpp"

namespace greenlane::detail {

class PrimaryContext {
 public:
  // Retains the context.
  // Throws: DriverError.
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

// A scope in which the primary context is current in this thread.
class ContextScope {
 public:
  // Throws: DriverError.
  explicit ContextScope(const PrimaryContext& context);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  const driver::Table& driver_;
  bool pushed_ = false;
};

}  // namespace greenlane::detail

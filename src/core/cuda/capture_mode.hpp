// The thread's capture mode: which calls it may make while another thread captures a graph.
#pragma once

#include "driver/table.hpp"

#include <optional>

namespace greenlane::detail {

// A scope in which this thread may query events, wait for streams and make resources during any capture. In CUDA's
// default mode such a call fails, and breaks the capture, while any other thread captures globally, as torch.cuda.graph
// does. The relaxed mode also covers a capture of this thread.
class RelaxedCaptureMode {
 public:
  explicit RelaxedCaptureMode(const driver::Table& driver) noexcept;
  ~RelaxedCaptureMode();
  RelaxedCaptureMode(const RelaxedCaptureMode&) = delete;
  RelaxedCaptureMode& operator=(const RelaxedCaptureMode&) = delete;

 private:
  const driver::Table& driver_;
  CUstreamCaptureMode former_ = CU_STREAM_CAPTURE_MODE_RELAXED;
  bool exchanged_ = false;
};

// Sets the mode of this thread and returns the former one; nothing if there is no driver. For scopes that cannot be
// objects.
[[nodiscard]] std::optional<CUstreamCaptureMode> exchange_capture_mode(CUstreamCaptureMode mode) noexcept;

// Returns true if this result means that a capture forbids the call. The device itself is then in order.
[[nodiscard]] bool is_capture_error(int code) noexcept;

}  // namespace greenlane::detail

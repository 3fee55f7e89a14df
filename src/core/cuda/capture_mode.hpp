// What a thread may ask of the device while another thread captures a graph.
#pragma once

#include "driver/table.hpp"

#include <optional>

namespace greenlane::detail {

// While one lives, this thread may query events, wait for streams and make resources, whatever is being captured.
// In CUDA's default mode such a call fails, and breaks the capture, while any other thread captures globally, as
// torch.cuda.graph does. The relaxed mode also covers a capture of this thread's own.
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

// The mode of this thread from now on, and what it was; nothing where there is no driver. For scopes that cannot be
// objects.
[[nodiscard]] std::optional<CUstreamCaptureMode> exchange_capture_mode(CUstreamCaptureMode mode) noexcept;

// Whether this result says that a capture is in the way. The device itself is well then.
[[nodiscard]] bool is_capture_error(int code) noexcept;

}  // namespace greenlane::detail

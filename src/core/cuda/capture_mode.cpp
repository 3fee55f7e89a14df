#include "core/cuda/capture_mode.hpp"

namespace greenlane::detail {

RelaxedCaptureMode::RelaxedCaptureMode(const driver::Table& driver) noexcept : driver_(driver) {
  exchanged_ = driver_.cuThreadExchangeStreamCaptureMode(&former_) == CUDA_SUCCESS;
}

RelaxedCaptureMode::~RelaxedCaptureMode() {
  if (exchanged_) driver_.cuThreadExchangeStreamCaptureMode(&former_);
}

std::optional<CUstreamCaptureMode> exchange_capture_mode(CUstreamCaptureMode mode) noexcept {
  const auto* driver = driver::find();
  if (!driver || driver->cuThreadExchangeStreamCaptureMode(&mode) != CUDA_SUCCESS) return std::nullopt;
  return mode;
}

bool is_capture_error(int code) noexcept {
  return code >= CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED && code <= CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
}

}  // namespace greenlane::detail

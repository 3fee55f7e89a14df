#include "core/cuda/cuda_stream.hpp"

#include "core/cuda/capture_mode.hpp"
#include "core/cuda/driver_check.hpp"
#include "core/stream_registry.hpp"

#include <algorithm>

namespace greenlane::detail {

CudaStream::CudaStream(std::shared_ptr<PrimaryContext> primary, std::shared_ptr<GreenContext> green, int priority)
    : primary_(std::move(primary)), green_(std::move(green)), priority_(priority) {
  const auto& driver = primary_->driver();
  const RelaxedCaptureMode while_others_capture(driver);
  const std::string what = "a stream on cuda:" + std::to_string(primary_->device()) + " could not be made";
  if (green_) {
    check(driver, driver.cuGreenCtxStreamCreate(&handle_, green_->handle(), CU_STREAM_NON_BLOCKING, priority),
          "cuGreenCtxStreamCreate", what);
  } else {
    const ContextScope scope(*primary_);
    check(driver, driver.cuStreamCreateWithPriority(&handle_, CU_STREAM_NON_BLOCKING, priority),
          "cuStreamCreateWithPriority", what);
  }
}

CudaStream::~CudaStream() {
  finish();
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  unregister(view());
  primary_->driver().cuStreamDestroy(handle_);
}

void CudaStream::finish() noexcept {
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  primary_->driver().cuStreamSynchronize(handle_);
}

void StreamShelf::put(std::unique_ptr<CudaStream> stream) noexcept {
  stream->finish();
  register_closed(stream->view());
  const std::scoped_lock lock(mutex_);
  streams_.push_back(std::move(stream));
}

std::unique_ptr<CudaStream> StreamShelf::take(const std::shared_ptr<GreenContext>& green, int priority) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(
      streams_, [&](const auto& stream) { return stream->green() == green && stream->priority() == priority; });
  if (found == streams_.end()) return nullptr;
  auto stream = std::move(*found);
  streams_.erase(found);
  return stream;
}

std::shared_ptr<GreenContext> StreamShelf::green_context(std::span<const int> groups) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(streams_, [&](const auto& stream) {
    return stream->green() && std::ranges::equal(stream->green()->groups(), groups);
  });
  return found == streams_.end() ? nullptr : (*found)->green();
}

}  // namespace greenlane::detail

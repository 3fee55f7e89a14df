#include "core/cuda/event.hpp"

#include "core/cuda/capture_mode.hpp"
#include "core/cuda/driver_check.hpp"

#include <cmath>
#include <optional>

namespace greenlane::detail {
namespace {

// Returns true for handles whose stream depends on the current context, which may be another GPU's.
bool is_default(StreamView stream) {
  return stream.is_default() || stream.handle() == CU_STREAM_LEGACY || stream.handle() == CU_STREAM_PER_THREAD;
}

class DefaultStreamScope {
 public:
  DefaultStreamScope(StreamView stream, const PrimaryContext& primary) {
    if (is_default(stream)) scope_.emplace(primary);
  }

 private:
  std::optional<ContextScope> scope_;
};

}  // namespace

CudaEvent::CudaEvent(std::shared_ptr<PrimaryContext> primary, unsigned int flags) : primary_(std::move(primary)) {
  const ContextScope scope(*primary_);
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  check(primary_->driver(), primary_->driver().cuEventCreate(&handle_, flags), "cuEventCreate",
        "an event could not be made");
}

CudaEvent::~CudaEvent() {
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  primary_->driver().cuEventDestroy(handle_);
}

// The message is built only on an error, because every call of an engine runs these two functions.
void CudaEvent::record(StreamView stream) {
  const DefaultStreamScope scope(stream, *primary_);
  const CUresult result = primary_->driver().cuEventRecord(handle_, stream.handle());
  if (result == CUDA_SUCCESS) return;
  check(primary_->driver(), result, "cuEventRecord", "work could not be ordered behind stream " + to_string(stream));
}

void CudaEvent::make_wait(StreamView stream) {
  const DefaultStreamScope scope(stream, *primary_);
  const CUresult result = primary_->driver().cuStreamWaitEvent(stream.handle(), handle_, CU_EVENT_WAIT_DEFAULT);
  if (result == CUDA_SUCCESS) return;
  check(primary_->driver(), result, "cuStreamWaitEvent", "stream " + to_string(stream) + " could not be made to wait");
}

bool CudaEvent::is_done() {
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  const CUresult result = primary_->driver().cuEventQuery(handle_);
  if (result == CUDA_ERROR_NOT_READY) return false;
  check(primary_->driver(), result, "cuEventQuery", "an event could not be asked whether it is done");
  return true;
}

std::chrono::nanoseconds CudaEvent::since(const EventBackend& earlier) {
  const RelaxedCaptureMode while_others_capture(primary_->driver());
  float milliseconds = 0;
  auto* const begin = static_cast<const CudaEvent&>(earlier).handle_;
  check(primary_->driver(), primary_->driver().cuEventElapsedTime(&milliseconds, begin, handle_), "cuEventElapsedTime",
        "the time between two events could not be taken");
  return std::chrono::nanoseconds(std::llround(1e6 * static_cast<double>(milliseconds)));
}

}  // namespace greenlane::detail

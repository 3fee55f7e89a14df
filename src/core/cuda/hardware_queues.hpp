// The count of streams that share a GPU's hardware queues in this process.
#pragma once

#include <greenlane/core/stream.hpp>

namespace greenlane::detail {

// A mark that a GPU's stream is in use, for the mark's lifetime. The same stream counts once. The constructor warns,
// once in a process, if more streams are in use than the device has queues.
// Thread safety: all members may be called from any thread.
class StreamInUse {
 public:
  StreamInUse(int device, StreamView stream);
  ~StreamInUse();
  StreamInUse(const StreamInUse&) = delete;
  StreamInUse& operator=(const StreamInUse&) = delete;

 private:
  int device_;
  StreamView stream_;
};

// Notes the GPU's present number of queues. Call it when the GPU's context is made or used; only the first call counts.
void note_hardware_queues(int device);
// Forgets the noted numbers and the given warning. For tests.
void forget_hardware_queues();

}  // namespace greenlane::detail

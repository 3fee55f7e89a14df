// The book of what shares a GPU's hardware queues in this process.
#pragma once

#include <greenlane/core/stream.hpp>

namespace greenlane::detail {

// Counts a stream of a GPU as in use for as long as it lives; the same stream counts once. Making one warns, once in a
// process, where more streams are in use than the device has queues. Thread safety: all of it.
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

// Notes how many queues the GPU has from now on: its context is made or used now. Only the first call counts.
void note_hardware_queues(int device);
// Forgets what was noted, and that there was a warning. For tests.
void forget_hardware_queues();

}  // namespace greenlane::detail

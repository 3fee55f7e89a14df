// Checks of streams that users hand in.
#pragma once

#include "driver/table.hpp"

#include <greenlane/core/stream.hpp>

namespace greenlane::detail {

// Checks that need no driver: null, the two reserved handles (which CUDA's own checks accept), and streams of closed
// lanes.
// Throws: StreamError.
void check_stream_value(StreamView stream);

// Checks that need the driver, for a stream that passed the above: a stream of another device than `device`, a stream
// that is being captured, a stream that CUDA does not know. Warns if this driver cannot tell a stream's device. Takes
// 15 to 50 ns.
// Throws: StreamError.
void check_stream(const driver::Table& driver, StreamView stream, CUdevice device);

}  // namespace greenlane::detail

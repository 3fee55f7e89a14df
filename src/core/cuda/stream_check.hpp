// Whether a stream that a user hands in may be used.
#pragma once

#include "driver/table.hpp"

#include <greenlane/core/stream.hpp>

namespace greenlane::detail {

// The checks that need no driver: null, the two reserved handles (which CUDA's own checks let pass), and streams whose
// lane was closed. Throws StreamError.
void check_stream_value(StreamView stream);

// What only the driver knows of a stream that passed those: a stream of another device than `device`, one that is being
// captured, one that CUDA does not know. Throws StreamError; warns where this driver cannot tell a stream's device. 15
// to 50 ns a check.
void check_stream(const driver::Table& driver, StreamView stream, CUdevice device);

}  // namespace greenlane::detail

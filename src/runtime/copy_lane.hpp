// The lanes on which data for engines is copied.
#pragma once

#include <greenlane/core/device.hpp>
#include <greenlane/core/lane.hpp>

namespace greenlane::runtime {

// The priority of copies. The driver takes its highest: an engine waits for its inputs, so no engine comes before them.
inline constexpr int kAheadOfEngines = -100;

// Returns a GPU's lane with this priority, on all units, for copies to the device, on it and back. A copy on the device
// is a kernel, and on the default stream it waits behind the kernels of every engine. The lane is never closed.
// Thread safety: any thread.
// Throws: DriverError.
[[nodiscard]] Lane copy_lane(const Device& device);

}  // namespace greenlane::runtime

// Objects that a caller's graph owns.
#pragma once

#include "core/graphs/callers_graph.hpp"
#include "driver/table.hpp"

#include <greenlane/core/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace greenlane::detail {

// Returns the driver's number of the capture on this stream; nothing if there is no capture or it has failed.
// Throws: DriverError.
[[nodiscard]] std::optional<std::uint64_t> capture_of(const driver::Table& driver, StreamView stream);

// Gives the lane to the graph that is being captured on this stream. The lane is dropped when that graph, its copies
// and their executable graphs are gone and no longer run.
// Throws: DriverError; the lane is dropped then.
void give_to_capture(const driver::Table& driver, StreamView stream, std::unique_ptr<LaneInGraph> lane);

}  // namespace greenlane::detail

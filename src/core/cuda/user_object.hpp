// Objects that belong to a graph of somebody else's.
#pragma once

#include "core/graphs/callers_graph.hpp"
#include "driver/table.hpp"

#include <greenlane/core/stream.hpp>

#include <cstdint>
#include <memory>
#include <optional>

namespace greenlane::detail {

// The driver's number of the capture on this stream; nothing where there is none, or where it went wrong.
// Throws: DriverError.
[[nodiscard]] std::optional<std::uint64_t> capture_of(const driver::Table& driver, StreamView stream);

// Gives the lane to the graph that is being captured on this stream. It is dropped when that graph, its copies and what
// was made ready of it are gone and run no more.
// Throws: DriverError; the lane is dropped then.
void give_to_capture(const driver::Table& driver, StreamView stream, std::unique_ptr<LaneInGraph> lane);

}  // namespace greenlane::detail

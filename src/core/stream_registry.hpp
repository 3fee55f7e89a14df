// The streams that greenlane made, and which of them belong to a lane that was closed.
#pragma once

#include <greenlane/core/stream.hpp>

#include <functional>
#include <optional>
#include <string>

namespace greenlane::detail {

// Thread safety: all functions. Handles are forgotten when the stream is destroyed, because the driver gives their
// values to new streams.
void register_open(StreamView stream, const std::string& lane);
void register_closed(StreamView stream) noexcept;
void unregister(StreamView stream) noexcept;
// The name of the closed lane that this stream belongs to.
[[nodiscard]] std::optional<std::string> closed_lane_of(StreamView stream);

// Those of lanes, closed ones too, none of which is destroyed meanwhile. `visit` must call none of the others.
void visit_streams(const std::function<void(StreamView stream, const std::string& lane)>& visit);

}  // namespace greenlane::detail

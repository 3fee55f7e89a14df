// The streams that greenlane made, and their lanes, open or closed.
#pragma once

#include <greenlane/core/stream.hpp>

#include <functional>
#include <optional>
#include <string>

namespace greenlane::detail {

// Register and unregister streams. A handle is forgotten when its stream is destroyed, because the driver gives its
// value to new streams.
// `for_captures`: graphs are captured on the stream, and no engine runs there.
// Thread safety: all functions may be called from any thread.
void register_open(StreamView stream, const std::string& lane, bool for_captures = false);
void register_closed(StreamView stream) noexcept;
void unregister(StreamView stream) noexcept;
// Returns the name of the closed lane that this stream belongs to; nothing if there is none.
[[nodiscard]] std::optional<std::string> closed_lane_of(StreamView stream);

struct RegisteredStream {
  StreamView stream;
  std::string lane;
  bool is_closed = false;
  bool is_for_captures = false;
};
// Visits all streams; none is destroyed meanwhile. `visit` must not call the other functions here.
void visit_streams(const std::function<void(const RegisteredStream& stream)>& visit);

}  // namespace greenlane::detail

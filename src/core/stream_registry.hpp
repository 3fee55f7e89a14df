// The streams that greenlane made, and which of them belong to a lane that was closed.
#pragma once

#include <greenlane/core/stream.hpp>

#include <functional>
#include <optional>
#include <string>

namespace greenlane::detail {

// Thread safety: all functions. Handles are forgotten when the stream is destroyed, because the driver gives their
// values to new streams.
// `for_captures`: graphs are captured there, and no engine runs there.
void register_open(StreamView stream, const std::string& lane, bool for_captures = false);
void register_closed(StreamView stream) noexcept;
void unregister(StreamView stream) noexcept;
// The name of the closed lane that this stream belongs to.
[[nodiscard]] std::optional<std::string> closed_lane_of(StreamView stream);

struct RegisteredStream {
  StreamView stream;
  std::string lane;
  bool is_closed = false;
  bool is_for_captures = false;
};
// All of them, none of which is destroyed meanwhile. `visit` must call none of the others.
void visit_streams(const std::function<void(const RegisteredStream& stream)>& visit);

}  // namespace greenlane::detail

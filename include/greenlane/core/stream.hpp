// Streams as non-owning views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct CUstream_st;  // CUstream and cudaStream_t are pointers to it, so this header needs no CUDA.

namespace greenlane {

/// A stream that its maker keeps alive. It cannot be made from 0 or nullptr by accident; use default_stream(). Copying
/// is free, and no member calls the driver.
class StreamView {
 public:
  /// Makes a view of a stream.
  explicit StreamView(CUstream_st* handle) noexcept : handle_(handle) {}
  StreamView(int) = delete;             // NOLINT(google-explicit-constructor)
  StreamView(std::nullptr_t) = delete;  // NOLINT(google-explicit-constructor)

  /// Makes a view from the integer that Python and torchbind use: reinterpret_cast<int64_t>(cudaStream_t).
  [[nodiscard]] static StreamView from_value(std::int64_t value) noexcept {
    return StreamView(reinterpret_cast<CUstream_st*>(value));  // NOLINT(performance-no-int-to-ptr)
  }
  /// The legacy default stream of the current context. Valid as a caller stream, but not for a binding.
  [[nodiscard]] static StreamView default_stream() noexcept { return StreamView(static_cast<CUstream_st*>(nullptr)); }

  /// Returns the stream's handle.
  [[nodiscard]] CUstream_st* handle() const noexcept { return handle_; }
  /// Returns the handle as the integer that Python and torchbind use.
  [[nodiscard]] std::int64_t value() const noexcept { return reinterpret_cast<std::int64_t>(handle_); }
  /// Returns true for the legacy default stream.
  [[nodiscard]] bool is_default() const noexcept { return handle_ == nullptr; }
  friend bool operator==(StreamView, StreamView) = default;

 private:
  CUstream_st* handle_;
};

/// Returns the handle as text for messages, such as "0x7f3a…".
[[nodiscard]] std::string to_string(StreamView stream);

}  // namespace greenlane

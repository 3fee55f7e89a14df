// A CUDA stream that greenlane owns, and the shelf for streams that must not be destroyed yet.
#pragma once

#include "core/cuda/green_context.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace greenlane::detail {

// An owned stream, in a green context or (null) in the primary context. It holds its contexts, so that it is destroyed
// first.
class CudaStream {
 public:
  // Makes the stream. The driver clamps a priority that is out of range.
  // Throws: DriverError.
  CudaStream(std::shared_ptr<PrimaryContext> primary, std::shared_ptr<GreenContext> green, int priority);
  ~CudaStream();  // waits for the work on it
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  // Waits for the work on it, because its SMs are given to others next. If waiting fails, the context is lost anyway.
  void finish() noexcept;
  // Makes the stream outlive its lane, and every later lane that reuses it.
  void keep() noexcept { kept_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_kept() const noexcept { return kept_.load(std::memory_order_relaxed); }
  [[nodiscard]] StreamView view() const noexcept { return StreamView(handle_); }
  [[nodiscard]] int priority() const noexcept { return priority_; }
  // Returns its green context; null: it runs on the whole device.
  [[nodiscard]] const std::shared_ptr<GreenContext>& green() const noexcept { return green_; }

 private:
  std::shared_ptr<PrimaryContext> primary_;
  std::shared_ptr<GreenContext> green_;
  int priority_;
  CUstream handle_ = nullptr;
  std::atomic<bool> kept_{false};
};

// Streams of closed lanes on which the caching allocator may still record events. The next lane in the same context
// with the same priority reuses them, so opening and closing lanes repeatedly uses no more streams.
class StreamShelf {
 public:
  void put(std::unique_ptr<CudaStream> stream) noexcept;
  [[nodiscard]] std::unique_ptr<CudaStream> take(const std::shared_ptr<GreenContext>& green, int priority);
  // Returns the green context of a shelved stream on exactly these groups, or null.
  [[nodiscard]] std::shared_ptr<GreenContext> green_context(std::span<const int> groups);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<CudaStream>> streams_;
};

}  // namespace greenlane::detail

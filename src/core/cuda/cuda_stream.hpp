// A CUDA stream that greenlane owns, and the shelf on which streams wait that must not be destroyed yet.
#pragma once

#include "core/cuda/green_context.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace greenlane::detail {

// An owned stream: in a green context, or (null) in the primary one. It holds what it lives in, so that it goes first.
class CudaStream {
 public:
  // Throws DriverError. A priority out of range is clamped by the driver.
  CudaStream(std::shared_ptr<PrimaryContext> primary, std::shared_ptr<GreenContext> green, int priority);
  ~CudaStream();  // after the work on it
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  // Waits for the work on it: its SMs are given to others next. Should waiting fail, the context is lost anyway.
  void finish() noexcept;
  // From now on, and for the lanes that take it up later too, it must outlive its lane.
  void keep() noexcept { kept_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_kept() const noexcept { return kept_.load(std::memory_order_relaxed); }
  [[nodiscard]] StreamView view() const noexcept { return StreamView(handle_); }
  [[nodiscard]] int priority() const noexcept { return priority_; }
  // The groups it runs on; empty: the whole device.
  [[nodiscard]] const std::vector<int>& groups() const noexcept;
  [[nodiscard]] const std::shared_ptr<GreenContext>& green() const noexcept { return green_; }

 private:
  std::shared_ptr<PrimaryContext> primary_;
  std::shared_ptr<GreenContext> green_;
  int priority_;
  CUstream handle_ = nullptr;
  std::atomic<bool> kept_{false};
};

// Streams of closed lanes on which the caching allocator may still record events. They are taken up again by the next
// lane on the same groups and with the same priority, so opening and closing lanes for ever does not grow anything.
class StreamShelf {
 public:
  void put(std::unique_ptr<CudaStream> stream) noexcept;
  [[nodiscard]] std::unique_ptr<CudaStream> take(const std::vector<int>& groups, int priority);
  // The green context of a shelved stream on just these groups, or null.
  [[nodiscard]] std::shared_ptr<GreenContext> green_context(std::span<const int> groups);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<CudaStream>> streams_;
};

}  // namespace greenlane::detail

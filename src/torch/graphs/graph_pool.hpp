// Memory of the caching allocator that only graphs use.
#pragma once

#include <greenlane/core/graph.hpp>

#include <c10/core/Device.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace greenlane::detail {

// Returns why this process's allocator has no memory for graphs; empty if it has.
[[nodiscard]] std::string graph_memory_obstacle();

// A private pool of memory. Graphs that share a pool must be replayed one after another, because memory that one
// capture frees is given to the next one.
// Lifetime: its memory goes back to the allocator when the pool and the graphs' tensors are gone.
// Thread safety: capturing() by one thread at a time.
class GraphPool {
 public:
  explicit GraphPool(c10::DeviceIndex device);
  ~GraphPool();
  GraphPool(const GraphPool&) = delete;
  GraphPool& operator=(const GraphPool&) = delete;

  // Runs `capture`, which begins a capture on `stream`, calls its argument inside the capture, which returns the
  // capture's id, and ends it. Allocations
  // in that capture, and no others, come from the pool. at::cuda::CUDAGraph is not used: with it, every random number
  // that another thread draws meanwhile is an error, and after a failed capture the allocator is unusable.
  using Capture = std::function<Graph(const std::function<c10::CaptureId_t()>& begun)>;
  Graph capturing(c10::cuda::CUDAStream stream, const Capture& capture);

  // Returns the bytes of device memory that the pool held after the latest capture.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  void count_bytes() noexcept;
  c10::DeviceIndex device_;
  c10::MempoolId_t id_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace greenlane::detail

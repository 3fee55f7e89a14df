// Memory of the caching allocator that graphs alone use.
#pragma once

#include <greenlane/core/graphs/graph.hpp>

#include <c10/core/Device.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <functional>
#include <string>

namespace greenlane::detail {

// Why this process's allocator has no memory for graphs; empty where it has.
[[nodiscard]] std::string graph_memory_obstacle();

// A private pool. Graphs that share one must be replayed one after another: what a capture frees is given to the next.
// Its memory goes back to the allocator, for others to take, when it and the graphs' tensors are gone.
// Thread safety: capturing() by one thread at a time.
class GraphPool {
 public:
  explicit GraphPool(c10::DeviceIndex device);
  ~GraphPool();
  GraphPool(const GraphPool&) = delete;
  GraphPool& operator=(const GraphPool&) = delete;

  // Runs `capture`, which begins a capture on `stream`, calls what it is given from within, and ends it. What is
  // allocated in that capture, and nothing else, comes from the pool. Not through at::cuda::CUDAGraph: that makes every
  // random number that another thread draws meanwhile an error, and leaves the allocator unusable after a capture that
  // failed.
  using Capture = std::function<Graph(const std::function<void()>& begun)>;
  Graph capturing(c10::cuda::CUDAStream stream, const Capture& capture);

  // Of the device, that it holds. Slow: it asks for all of the allocator's books.
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t id_;
};

}  // namespace greenlane::detail

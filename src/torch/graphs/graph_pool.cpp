#include "torch/graphs/graph_pool.hpp"

#include "torch/probe.hpp"

#include <greenlane/core/log.hpp>

#include <c10/cuda/CUDAException.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <exception>
#include <string>

namespace greenlane::detail {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// Returns a new pool id. PyTorch's own ids count up from 1.
c10::MempoolId_t new_id() {
  constexpr c10::CaptureId_t kFirst = c10::CaptureId_t{1} << 48;
  static std::atomic<c10::CaptureId_t> next{kFirst};
  return {next++, 0};
}

// Returns the id of the capture that a stream takes part in; 0: none.
unsigned long long capture_of(cudaStream_t stream) {  // NOLINT(google-runtime-int): the runtime's type
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;  // NOLINT(google-runtime-int)
  const bool known = cudaStreamGetCaptureInfo(stream, &status, &id) == cudaSuccess;
  if (!known) (void)cudaGetLastError();  // clears the error of another thread's capture on its default stream
  return known && status == cudaStreamCaptureStatusActive ? id : 0;
}

}  // namespace

std::string graph_memory_obstacle() {
  const std::string name = allocator::get()->name();
  if (name == "native") return {};
  return "PyTorch's allocator is '" + name + "', and graphs need the native one (PYTORCH_ALLOC_CONF)";
}

GraphPool::GraphPool(c10::DeviceIndex device) : device_(device), id_(new_id()) {
  // Held between captures, so that the next graph uses the memory of dropped ones.
  allocator::createOrIncrefPool(device_, id_);
}

GraphPool::~GraphPool() { allocator::releasePool(device_, id_); }

Graph GraphPool::capturing(c10::cuda::CUDAStream stream, const Capture& capture) {
  // 0 until the capture has begun: nothing matches 0.
  std::atomic<unsigned long long> capture_id{0};  // NOLINT(google-runtime-int)
  allocator::beginAllocateToPool(device_, id_, [&](cudaStream_t asking) {
    const auto wanted = capture_id.load(std::memory_order_acquire);
    return wanted != 0 && capture_of(asking) == wanted;
  });
  struct End {
    GraphPool& pool;
    bool marked = false;
    ~End() {
      if (marked) mark_capture_end(*allocator::get(), pool.device_);
      allocator::endAllocateToPool(pool.device_, pool.id_);
      allocator::releasePool(pool.device_, pool.id_);  // the reference that the beginning took
      pool.count_bytes();
    }
  } end{.pool = *this};
  return capture([&] {
    mark_capture_begin(*allocator::get(), device_);
    end.marked = true;
    const auto id = capture_of(stream.stream());
    capture_id.store(id, std::memory_order_release);
    return id;
  });
}

void GraphPool::count_bytes() noexcept {
  try {
    // The allocator copies the state of all its segments for this, under its lock, which takes too long for a report.
    std::uint64_t total = 0;
    for (const auto& segment : allocator::snapshot(id_).segments) total += segment.total_size;
    bytes_ = total;
  } catch (const std::exception& error) {
    debug(std::string("the memory of graphs could not be counted: ") + error.what());
  }
}

}  // namespace greenlane::detail

// Values whose contents are tensors.
#pragma once

#include "runtime/edges/value.hpp"

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace greenlane::runtime {

// Writes that were enqueued on a device. The driver is asked directly: PyTorch's event looks up the current device at
// each step.
// Thread safety: all members may be called from any thread, except record(): before others know the object.
class Written {
 public:
  explicit Written(c10::DeviceIndex device);
  ~Written();
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;

  // Waits for the present work on this stream, which is of the device, from now on.
  void record(c10::cuda::CUDAStream stream);
  [[nodiscard]] bool is_done() const;
  // Waits on the host until they are done.
  void wait() const;
  // Lets the stream wait until they are done.
  void block(c10::cuda::CUDAStream stream) const;
  // Returns the device's time from the end of other writes, on the same device, to the end of these. Both must be done.
  [[nodiscard]] std::chrono::nanoseconds since(const Written& other) const;

 private:
  cudaEvent_t event_ = nullptr;
  mutable std::atomic<bool> is_done_{false};
};

// Used again, because making and destroying an event costs more than recording it.
// Thread safety: all members may be called from any thread.
class WrittenPool {
 public:
  // Returns one behind the present work on this stream.
  [[nodiscard]] std::shared_ptr<const Written> record(c10::cuda::CUDAStream stream);

 private:
  struct Free {
    std::mutex mutex;  // guards the next member
    std::map<c10::DeviceIndex, std::vector<std::unique_ptr<Written>>> all;
  };
  std::shared_ptr<Free> free_ = std::make_shared<Free>();  // shared with all that are in use
};

// Tensors that nobody writes to any more, except the device until they are done.
// Thread safety: all members may be called from any thread.
class TensorPayload final : public Payload {
 public:
  // `written`: of the tensors; null: they are there. `owner`: of their memory; null: they own it.
  explicit TensorPayload(std::vector<at::Tensor> tensors, std::shared_ptr<const Written> written = {},
                         std::shared_ptr<const void> owner = {})
      : tensors_(std::move(tensors)), written_(std::move(written)), owner_(std::move(owner)) {}

  [[nodiscard]] bool is_done() const override { return !written_ || written_->is_done(); }
  // Waits on the host until the tensors are written.
  void wait() const {
    if (written_) written_->wait();
  }
  [[nodiscard]] const std::vector<at::Tensor>& tensors() const noexcept { return tensors_; }
  // Null: they are there.
  [[nodiscard]] const std::shared_ptr<const Written>& written() const noexcept { return written_; }

  // Returns a tensor on this device, copied if it is on another one. It must not be written to.
  // Stream order: work that is enqueued on the device's current stream from now on finds it written.
  // Lifetime: the work on that stream must be done before the payload is dropped.
  // Throws: EngineError if there is no such tensor.
  [[nodiscard]] at::Tensor tensor_on(std::size_t index, const at::Device& device) const;

 private:
  const std::vector<at::Tensor> tensors_;
  const std::shared_ptr<const Written> written_;
  const std::shared_ptr<const void> owner_;
};

}  // namespace greenlane::runtime

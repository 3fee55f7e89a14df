// Memory for the inputs of requests, and the copies into it.
#pragma once

#include <greenlane/core/device.hpp>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAStream.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace greenlane::runtime {

// Memory for the inputs of one request.
struct InputSlot {
  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> on_host;              // page-locked copies of a request's inputs, if they were in host memory
  std::optional<c10::Event> asked;              // behind the caller's work before the copy; absent on a CPU
  std::optional<c10::Event> copied;             // behind the latest copy to `inputs`; absent on a CPU
  std::optional<c10::cuda::CUDAStream> stream;  // of that copy
};

// Memory for inputs that is used again, because allocating it costs more than copying small inputs.
// Thread safety: all members may be called from any thread.
class InputSlots {
 public:
  // Makes later copies on this GPU's stream for copies, unless a caller's stream is as urgent or has work left. So the
  // default stream, which most callers share, never waits for kernels of engines.
  void copy_ahead(const Device& device);
  // Returns a copy of these inputs, ordered on the caller's stream of their device.
  // Throws: EngineError in a capture of that stream.
  [[nodiscard]] std::unique_ptr<InputSlot> copy(const std::vector<at::Tensor>& inputs);
  // Returns a copy of inputs in host memory for a run on the GPU, and the memory for them there.
  [[nodiscard]] std::unique_ptr<InputSlot> copy_from_host(const std::vector<at::Tensor>& inputs);
  // Takes back what no run uses any more, also if the copy to it is still under way.
  void give_back(std::unique_ptr<InputSlot> slot) noexcept;
  // Frees the memory of slots that are not in use.
  void clear();

 private:
  static constexpr std::size_t kMost = 8;  // slots that are kept
  // Returns a free slot whose tensors are like the inputs; null: there is none.
  [[nodiscard]] std::unique_ptr<InputSlot> take(const std::vector<at::Tensor>& inputs, bool is_on_host);
  [[nodiscard]] Device gpu();
  // Returns the GPU's stream for copies.
  [[nodiscard]] c10::cuda::CUDAStream ahead();

  std::mutex mutex_;  // guards the following members. No tensor is destroyed under it: some wait for Python's lock
  std::vector<std::unique_ptr<InputSlot>> free_;  // nothing on the device uses them
  std::optional<Device> gpu_;                     // absent: a CPU
  std::optional<c10::cuda::CUDAStream> ahead_;    // of that device; made for the first copy
};

}  // namespace greenlane::runtime

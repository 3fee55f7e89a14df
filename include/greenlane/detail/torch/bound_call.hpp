// One call of anything that enqueues PyTorch work, on the stream of its binding.
#pragma once

#include <greenlane/core/binding.hpp>
#include <greenlane/detail/core/current_context.hpp>

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <functional>
#include <optional>
#include <span>

namespace greenlane {

// A call of an engine on a GPU:
//
//   BoundCall call(binding, inputs);   // the binding's stream waits for the caller's, and is current from now on
//   auto outputs = model(inputs);
//   call.finish(outputs);              // the caller's stream waits for the binding's
//   …                                  // when `call` is destroyed, the caller's stream is current again
//
// The caller's stream is the stream that is current on the binding's device, whatever device is current. If both
// streams are the same, only the device is guarded. Otherwise every input is recorded on the binding's stream and every
// output on the caller's, so that the caching allocator does not reuse their memory too early. Meanwhile the device's
// primary context is current: a thread that is new to CUDA has none, and the caller may have made another context
// current. The caching allocator then keeps those tensors' memory back while anybody captures a graph, so a call may
// need new memory, which breaks a capture of another thread in CUDA's default mode. Therefore the calling thread is in
// the relaxed mode until `call` is destroyed, unless the call itself is captured.
// Thread safety: construct, finish and destroy it on one thread. For the binding see StreamBinding.
class BoundCall {
 public:
  // Throws: DriverError.
  BoundCall(StreamBinding& binding, std::span<const at::Tensor> inputs);
  // Joins if finish() was not reached. Restores the caller's stream, device and context.
  ~BoundCall() = default;
  BoundCall(const BoundCall&) = delete;
  BoundCall& operator=(const BoundCall&) = delete;

  [[nodiscard]] c10::cuda::CUDAStream stream() const noexcept { return guard_.current_stream(); }
  // Returns true if the engine is bound. Its other calls then wait until this one is finished.
  [[nodiscard]] bool is_bound() const noexcept { return call_.lane().has_value(); }
  // The lane that it is bound to.
  [[nodiscard]] const std::optional<Lane>& lane() const noexcept { return call_.lane(); }
  // Returns true if the call goes into a graph that is being captured on the caller's stream.
  [[nodiscard]] bool is_captured() const noexcept { return call_.is_captured(); }
  // Throws: DriverError.
  void finish(std::span<const at::Tensor> outputs);

 private:
  CurrentContext context_;
  c10::cuda::CUDAStream caller_;
  StreamBinding::Call call_;
  c10::cuda::CUDAStreamGuard guard_;
  std::optional<c10::cuda::CUDAStreamCaptureModeGuard> while_others_capture_;
};

// Runs `work` for an engine on the CPU, on the lane that the engine is bound to, and returns when `work` has returned.
// If nothing is bound, `work` runs in place, except on a forked child's first thread, where OpenMP may hang. `work`
// finds the caller's thread settings: PyTorch's (grad and inference mode, autocast, default device and so on), the
// floating-point environment, and, on a lane that is not pinned, the number of threads.
// Throws: what `work` throws; StreamError in a process that was forked after the lane was made.
void call_on_cpu(const StreamBinding& binding, const std::function<void()>& work);
// Queues `work` for callers that may stop waiting. Returns nothing if nothing is bound; `work` has then run in place.
// Lifetime: `work` must own everything it uses.
[[nodiscard]] std::optional<LaneWork> submit_on_cpu(const StreamBinding& binding, std::function<void()> work);

}  // namespace greenlane
